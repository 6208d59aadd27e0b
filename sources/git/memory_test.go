package git

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"fairlead.dev/fairlead/sources/quota"
	"fairlead.dev/fairlead/test/servers"
)

// counter is an account with a limit.
type counter struct {
	limit, taken int64
	begun, ended int
}

var errFull = quota.Exceeded("packs", "apps", 1, quota.Packs)

func (c *counter) begin(context.Context) (func(int64) error, func(), error) {
	c.begun++
	return func(bytes int64) error {
		if c.taken += bytes; c.taken > c.limit {
			return errFull
		}
		return nil
	}, func() { c.ended++ }, nil
}

func TestThePackCountsBeforeItIsUnpacked(t *testing.T) {
	server := serve(t, servers.Options{})
	rev := Revision{
		Name: "refs/heads/main", Commit: commit(t, server, "main", map[string]string{"a.yaml": strings.Repeat("a", 1<<20)}),
	}
	// the pack itself is a few kilobytes, and its file one megabyte
	for _, limit := range []int64{1 << 30, 0, 400, 100_000} {
		c := &counter{limit: limit}
		r := open(t, server, func(o *Options) { o.Begin = c.begin })
		var out bytes.Buffer
		_, err := r.Fetch(t.Context(), rev, &out)
		if enough := limit == 1<<30; enough != (err == nil) || !enough && !errors.Is(err, errFull) {
			t.Errorf("with %d bytes: %v", limit, err)
		}
		if c.begun != 1 || c.ended != 1 || c.taken == 0 {
			t.Errorf("begun %d times, ended %d times, %d bytes are counted", c.begun, c.ended, c.taken)
		}
	}
}

// A server that does not end its pack is stopped by the account, while the pack is received.
func TestAPackWithoutAnEndIsCutOff(t *testing.T) {
	c := &counter{limit: 1 << 20}
	grow, _, err := c.begin(t.Context())
	must(t, err)
	received := &countingReader{}
	if _, err := readPack(received, Limits{}.withDefaults(), grow); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	if received.bytes > c.limit {
		t.Errorf("%d bytes are received", received.bytes)
	}
}

// countingReader never ends, except for a test that would take all memory.
type countingReader struct{ bytes int64 }

func (r *countingReader) Read(p []byte) (int, error) {
	if r.bytes += int64(len(p)); r.bytes > 64<<20 {
		return 0, errors.New("it is not stopped")
	}
	return len(p), nil
}

// A few bytes that unpack to a large object are counted as what they unpack to.
func TestALargeObjectCountsAsWhatItUnpacksTo(t *testing.T) {
	if small, large := memoryOf(1, 10, 10), memoryOf(1, 64<<20, 64<<20); small > 10_000 || large < 3*64<<20 {
		t.Errorf("%d, %d", small, large)
	}
	if most := memoryOf(1, 80<<20, 80<<20); most > 2*quota.Packs.Share {
		t.Errorf("%d", most)
	}
}
