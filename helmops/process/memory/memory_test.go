package memory

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// cluster is one that keeps something.
type cluster struct {
	*Account
	ended []*ExceededError
}

func open(b *Budget, namespace string) *cluster {
	c := &cluster{}
	c.Account = b.Open(namespace, func(err *ExceededError) { c.ended = append(c.ended, err) })
	return c
}

func add(t *testing.T, a *cluster, bytes int64) {
	t.Helper()
	if err := a.Add(bytes); err != nil {
		t.Fatal(err)
	}
}

func TestANamespaceThatExceedsItsShareEndsItsOwnLargestAccount(t *testing.T) {
	t.Parallel()
	b := New(Bounds{Total: 1000, Share: 100})
	small, large, other := open(b, "noisy"), open(b, "noisy"), open(b, "quiet")
	add(t, small, 20)
	add(t, large, 80)
	add(t, other, 90)
	add(t, small, 1) // the small one asks, the large one is in the way
	if len(small.ended) != 0 || len(large.ended) != 1 || len(other.ended) != 0 {
		t.Fatalf("ended: small %v, large %v, other %v", small.ended, large.ended, other.ended)
	}
	if own, total := b.Used("noisy"); own != 21 || total != 111 {
		t.Errorf("noisy takes %d, all take %d", own, total)
	}
	var exceeded *ExceededError
	if err := large.Add(1); !errors.As(err, &exceeded) || exceeded.OfAll || exceeded.Namespace != "noisy" ||
		large.Err() == nil {
		t.Errorf("error = %v", err)
	}
	if own, _ := b.Used("noisy"); own != 21 || len(large.ended) != 1 {
		t.Errorf("an account that has ended counts: %d, ended %d times", own, len(large.ended))
	}
}

func TestTheNamespaceThatTakesMostEndsWhenTheTotalIsExceeded(t *testing.T) {
	t.Parallel()
	b := New(Bounds{Total: 250, Share: 100})
	var noisy []*cluster
	for _, namespace := range []string{"noisy-a", "noisy-b", "noisy-c"} {
		noisy = append(noisy, open(b, namespace))
	}
	add(t, noisy[0], 90)
	add(t, noisy[1], 99)
	add(t, noisy[2], 60)
	quiet := open(b, "quiet")
	add(t, quiet, 10)
	if len(noisy[1].ended) != 1 || !noisy[1].ended[0].OfAll {
		t.Errorf("the namespace that takes most has ended %v", noisy[1].ended)
	}
	if len(quiet.ended)+len(noisy[0].ended)+len(noisy[2].ended) != 0 {
		t.Error("others have ended")
	}
	if _, total := b.Used(""); total != 160 {
		t.Errorf("all take %d", total)
	}
}

func TestWhatIsDroppedIsNotCounted(t *testing.T) {
	t.Parallel()
	b := New(Bounds{Total: 1000, Share: 100})
	c := open(b, "apps")
	for range 100 {
		add(t, c, 90)
		add(t, c, -90)
	}
	add(t, c, 50)
	c.Close()
	c.Close()
	add(t, c, 1000) // the cluster is used to the end by what has begun before
	if own, total := b.Used("apps"); own != 0 || total != 0 || len(b.namespaces) != 0 || len(c.ended) != 0 {
		t.Errorf("apps takes %d, all take %d, %d namespaces, ended %v", own, total, len(b.namespaces), c.ended)
	}
}

func TestWhatCanBeReadAgainLeavesHalf(t *testing.T) {
	t.Parallel()
	b := New(Bounds{Total: 150, Share: 100})
	a, other := open(b, "apps"), open(b, "other")
	if !a.Spare(50) || a.Spare(1) {
		t.Error("not half of a share is for what can be read again")
	}
	if !other.Spare(25) || other.Spare(1) {
		t.Error("not half of the total is for what can be read again")
	}
	add(t, a, 50)
	if own, total := b.Used("apps"); own != 100 || total != 125 {
		t.Errorf("apps takes %d, all take %d", own, total)
	}
}

func TestATrustedClusterHasNoBounds(t *testing.T) {
	t.Parallel()
	var local *Account
	if err := local.Add(1 << 50); err != nil || local.Err() != nil || !local.Spare(1<<50) || local.Bounded() {
		t.Errorf("error = %v", err)
	}
	local.Close()
}

func TestExceededErrorSaysWhatFollows(t *testing.T) {
	t.Parallel()
	for _, ofAll := range []bool{false, true} {
		err := &ExceededError{Namespace: "apps", Bounds: Clusters, OfAll: ofAll}
		bound := map[bool]string{false: "96 MiB", true: "192 MiB"}[ofAll]
		for _, part := range []string{"namespace apps", bound, "connects to it again 5m0s later"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
		if err.Reason() != v1beta1.ClusterUnreachableReason {
			t.Errorf("reason = %s", err.Reason())
		}
	}
}

func TestAccountsAreSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	b := New(Bounds{Total: 400, Share: 100})
	var all sync.WaitGroup
	for i := range 16 {
		namespace := string(rune('a' + i%8))
		all.Go(func() {
			for range 200 {
				a := b.Open(namespace, func(*ExceededError) { b.Used(namespace) })
				_ = a.Add(60)
				_ = a.Add(-10)
				a.Spare(1)
				a.Close()
			}
		})
	}
	all.Wait()
	if _, total := b.Used(""); total != 0 || len(b.namespaces) != 0 {
		t.Errorf("%d bytes are left, of %d namespaces", total, len(b.namespaces))
	}
}
