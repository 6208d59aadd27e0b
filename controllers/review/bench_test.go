package review

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkReviewOf100Releases reviews a change that touches all of 100 releases, with 20 charts of exact versions that
// are in the cache. The limit is 60s.
func BenchmarkReviewOf100Releases(b *testing.B) {
	var before, after strings.Builder
	for i := range 100 {
		fmt.Fprint(&before, hr(fmt.Sprintf("r%d", i), fmt.Sprintf("chart%d", i%20), "1.0.0", "  values: {replicas: 1}\n"))
		fmt.Fprint(&after, hr(fmt.Sprintf("r%d", i), fmt.Sprintf("chart%d", i%20), "1.0.0", "  values: {replicas: 2}\n"))
	}
	w := newWorld(b, map[string]string{"clusters/prod/sync.yaml": fleet, "apps/all.yaml": before.String()})
	templates := map[string]string{}
	for i := range 15 {
		templates[fmt.Sprintf("templates/d%d.yaml", i)] = strings.Replace(deployment, ".Release.Name }}", fmt.Sprintf(".Release.Name }}-%d", i), 1)
	}
	for i := range 20 {
		w.publish(fmt.Sprintf("chart%d", i), "1.0.0", templates)
	}
	if found := w.change(map[string]string{"apps/all.yaml": after.String()}); len(found.Items) != 101 || found.Failed > 0 {
		b.Fatalf("%d plans, %d failed: %v", len(found.Items), found.Failed, items(found)[:2])
	}
	for b.Loop() {
		if _, err := w.review(); err != nil {
			b.Fatal(err)
		}
	}
}
