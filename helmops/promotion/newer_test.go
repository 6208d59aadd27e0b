package promotion

import (
	"testing"
	"time"
)

func TestNewestAndNewer(t *testing.T) {
	t.Parallel()
	at := func(version, digest string, minutes int) Candidate {
		return Candidate{Version: version, ID: chart(digest), FirstSeen: start.Add(time.Duration(minutes) * time.Minute)}
	}
	all := []Candidate{at("1.9.0", "a", 1), at("1.10.0", "b", 2), at("1.10.0-rc.1", "c", 3), at("1.9.0", "d", 4)}
	if c := Newest(all); c == nil || c.ID != chart("b") {
		t.Errorf("the newest is %+v", c)
	}
	if c := Newest(nil); c != nil {
		t.Errorf("the newest of none is %+v", c)
	}
	for _, tt := range []struct {
		than Candidate
		want int
	}{
		{all[1], 0},
		{all[2], 1},
		{all[0], 3}, // the later content of one version is newer
		{at("0.1.0", "gone", 0), 4},
		{at("2.0.0", "gone", 0), 0},
	} {
		if got := Newer(all, tt.than); got != tt.want {
			t.Errorf("%d candidates are newer than %s (%s), want %d", got, tt.than.Version, tt.than.ID, tt.want)
		}
	}
}
