package tracker

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// at is object "web" as of a version.
func at(version uint64, uid types.UID, ownership uint64) *reduced {
	return &reduced{key{"apps", "web"}, Entry{UID: uid, ResourceVersion: version, Ownership: ownership}}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	web := key{"apps", "web"}
	tests := []struct {
		name string
		do   func(c *contents) (changed bool)
		// want is what is known in the end; nil is nothing.
		want *Entry
		// changed is what the last step reports.
		changed bool
	}{
		{name: "an event", want: &Entry{UID: "a", ResourceVersion: 11}, changed: true,
			do: func(c *contents) bool { return len(c.put(at(11, "a", 0))) > 0 }},
		{name: "the same event again", want: &Entry{UID: "a", ResourceVersion: 11},
			do: func(c *contents) bool { c.put(at(11, "a", 0)); return len(c.put(at(11, "a", 0))) > 0 }},
		{name: "an older event", want: &Entry{UID: "a", ResourceVersion: 12},
			do: func(c *contents) bool { c.put(at(12, "a", 0)); return len(c.put(at(11, "a", 0))) > 0 }},
		{name: "a write and its own event", want: &Entry{UID: "a", ResourceVersion: 11, Ownership: 5, Applied: 5, Payload: 7},
			do: func(c *contents) bool { c.wrote(at(11, "a", 5), 7, true); return len(c.put(at(11, "a", 5))) > 0 }},
		{name: "somebody takes a field after a write",
			want: &Entry{UID: "a", ResourceVersion: 12, Ownership: 6, Applied: 5, Payload: 7}, changed: true,
			do: func(c *contents) bool { c.wrote(at(11, "a", 5), 7, true); return len(c.put(at(12, "a", 6))) > 0 }},
		{name: "that event overtakes the answer",
			want: &Entry{UID: "a", ResourceVersion: 12, Ownership: 6, Applied: 5, Payload: 7}, changed: true,
			do: func(c *contents) bool { c.put(at(12, "a", 6)); return len(c.wrote(at(11, "a", 5), 7, true)) > 0 }},
		{name: "an event from before the write",
			want: &Entry{UID: "a", ResourceVersion: 12, Ownership: 5, Applied: 5, Payload: 7},
			do:   func(c *contents) bool { c.wrote(at(12, "a", 5), 7, true); return len(c.put(at(11, "a", 4))) > 0 }},
		{name: "another object of that name", want: &Entry{UID: "b", ResourceVersion: 13, Ownership: 5}, changed: true,
			do: func(c *contents) bool { c.wrote(at(11, "a", 5), 7, true); return len(c.put(at(13, "b", 5))) > 0 }},
		{name: "a late answer for the object before", want: &Entry{UID: "b", ResourceVersion: 13},
			do: func(c *contents) bool { c.put(at(13, "b", 0)); return len(c.wrote(at(11, "a", 5), 7, true)) > 0 }},
		{name: "gone", changed: true,
			do: func(c *contents) bool { c.put(at(11, "a", 0)); return len(c.remove(web, 12)) > 0 }},
		{name: "a late answer for what is gone",
			do: func(c *contents) bool {
				c.put(at(11, "a", 0))
				c.remove(web, 13)
				return len(c.wrote(at(12, "a", 5), 7, true)) > 0
			}},
		{name: "a late answer for what nobody saw",
			do: func(c *contents) bool { c.passed(20); return len(c.wrote(at(15, "a", 5), 7, true)) > 0 }},
		{name: "made anew by us before the deletion is told", want: &Entry{UID: "b", ResourceVersion: 13, Payload: 7},
			do: func(c *contents) bool {
				c.put(at(11, "a", 0))
				c.wrote(at(13, "b", 0), 7, true)
				return len(c.remove(web, 12)) > 0
			}},
		{name: "a list without it", changed: true,
			do: func(c *contents) bool { c.put(at(11, "a", 0)); return len(c.replace(nil, 12)) == 1 }},
		{name: "a list from before the write", want: &Entry{UID: "a", ResourceVersion: 13, Payload: 7},
			do: func(c *contents) bool { c.wrote(at(13, "a", 0), 7, true); return len(c.replace(nil, 12)) > 0 }},
		{name: "a list with an older state", want: &Entry{UID: "a", ResourceVersion: 13, Payload: 7},
			do: func(c *contents) bool {
				c.wrote(at(13, "a", 0), 7, true)
				return len(c.replace([]*reduced{at(11, "a", 0)}, 12)) > 0
			}},
		{name: "a list with a newer state", want: &Entry{UID: "a", ResourceVersion: 14, Ownership: 6, Applied: 5, Payload: 7},
			changed: true,
			do: func(c *contents) bool {
				c.wrote(at(13, "a", 5), 7, true)
				changed := c.replace([]*reduced{at(14, "a", 6)}, 15)
				return len(changed) == 1 && changed[0].key == web && changed[0].before.ResourceVersion == 13 &&
					changed[0].after.ResourceVersion == 14
			}},
		{name: "a list that changes nothing", want: &Entry{UID: "a", ResourceVersion: 11},
			do: func(c *contents) bool {
				c.put(at(11, "a", 0))
				return len(c.replace([]*reduced{at(11, "a", 0)}, 15)) > 0
			}},
		{name: "a cluster restored from a backup", want: &Entry{UID: "a", ResourceVersion: 3}, changed: true,
			do: func(c *contents) bool {
				c.put(at(11, "a", 0))
				return len(c.replace([]*reduced{at(3, "a", 0)}, 5)) > 0
			}},
		{name: "after the end",
			do: func(c *contents) bool {
				c.clear()
				return len(c.put(at(11, "a", 0))) > 0 || len(c.wrote(at(12, "a", 0), 7, true)) > 0 ||
					len(c.replace([]*reduced{at(13, "a", 0)}, 13)) > 0
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &contents{entries: map[key]*Entry{}}
			c.replace(nil, 10)
			changed := tt.do(c)
			got, ok := c.get(web)
			if ok != (tt.want != nil) || ok && got != *tt.want {
				t.Errorf("known is %v, %+v", ok, got)
			}
			if changed != tt.changed {
				t.Errorf("changed is %v", changed)
			}
		})
	}
}

func TestSharedStringsAreBounded(t *testing.T) {
	t.Parallel()
	s := &sharedStrings{}
	for i := range 3 * maxShared {
		text := fmt.Sprint("message ", i)
		if s.share(&text); text != fmt.Sprint("message ", i) || len(s.copies) > maxShared {
			t.Fatalf("%q among %d", text, len(s.copies))
		}
	}
}

// BenchmarkMemory prints what 10,000 objects of 30 kinds in 1,000 releases cost.
func BenchmarkMemory(b *testing.B) {
	const objects, kinds = 10_000, 30
	for b.Loop() {
		tracker := New(b.Context(), Clients{}, Helm(), nil)
		before := heap()
		for i := range kinds {
			kind := Kind{GVK: schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: fmt.Sprint("Kind", i)}}
			s := &stream{kind: kind, tracker: tracker, ready: make(chan struct{}), contents: contents{entries: map[key]*Entry{}}}
			tracker.slots[kind.GVK] = &slot{stream: s}
			list := make([]any, 0, objects/kinds)
			for j := range cap(list) {
				r, err := (*store)(s).take(sample(b, i*cap(list)+j))
				if err != nil {
					b.Fatal(err)
				}
				list = append(list, r)
			}
			if err := (*store)(s).Replace(list, "1000000"); err != nil {
				b.Fatal(err)
			}
		}
		each := float64(heap()-before) / objects
		b.ReportMetric(each, "B/object")
		if each > 600 {
			b.Errorf("%.0f bytes for each object", each)
		}
		runtime.KeepAlive(tracker)
	}
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func sample(b *testing.B, i int) *unstructured.Unstructured {
	b.Helper()
	release := fmt.Sprintf("release-%d", i%1000)
	object := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"conditions": []any{
		map[string]any{
			"type": "Ready", "status": "False", "message": strings.Repeat("x", 60) + fmt.Sprint("Available: ", i%7, "/9"),
		},
	}}}}
	object.SetName(fmt.Sprintf("%s-component-%d", release, i))
	object.SetNamespace(fmt.Sprintf("namespace-%d", i%100))
	object.SetUID(types.UID(fmt.Sprintf("0b1c2d3e-4f50-6172-8394-%012d", i)))
	object.SetResourceVersion(fmt.Sprint(500_000 + i))
	object.SetAnnotations(map[string]string{releaseAnnotation: release, releaseNamespaceAnnotation: object.GetNamespace()})
	return object
}
