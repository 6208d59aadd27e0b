package warning

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

func headers(texts ...string) []utilnet.WarningHeader {
	var out []utilnet.WarningHeader
	for _, text := range texts {
		out = append(out, utilnet.WarningHeader{Code: 299, Agent: "-", Text: text})
	}
	return out
}

func numbered(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprint("warning ", i))
	}
	return out
}

func ref(name string) corev1.ObjectReference {
	return corev1.ObjectReference{Kind: "ConfigMap", Name: name}
}

func TestTexts(t *testing.T) {
	long := strings.Repeat("a", maxBytes)
	for _, tt := range []struct {
		name   string
		texts  []string
		secret bool
		want   []string
	}{
		{"none", nil, false, nil},
		{"each once", []string{"a", "b", "a"}, false, []string{"a", "b"}},
		{"empty ones", []string{" ", "a", ""}, false, []string{"a"}},
		{"of a Secret", []string{"password is hunter2", "b"}, true, []string{hidden}},
		{"none of a Secret", []string{""}, true, nil},
		{"many", numbered(9), false, append(numbered(maxTexts), "4 more")},
		{"very many", numbered(1000), false, append(numbered(maxTexts), "59 more")},
		{"too long together", []string{"b", long}, false, []string{"b", "1 more"}},
		{"too long", []string{long + "a"}, false, []string{"1 more"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Texts(headers(tt.texts...), tt.secret)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestObjectInOneLine(t *testing.T) {
	of := corev1.ObjectReference{Kind: "Role", Namespace: "apps", Name: "web"}
	for _, tt := range []struct {
		name string
		in   Object
		want string
	}{
		{"namespaced", Object{Ref: of, Texts: []string{"a", "b"}}, "Role apps/web: a; b"},
		{"of the cluster", Object{Ref: ref("x"), Texts: []string{"a"}}, "ConfigMap x: a"},
		{"control characters", Object{Ref: of, Texts: []string{" a\n\tb\x1b[31m "}}, "Role apps/web: a b [31m"},
		{"long", Object{Ref: of, Texts: []string{strings.Repeat("ä", maxText)}},
			"Role apps/web: " + strings.Repeat("ä", (maxText-len("…"))/len("ä")) + "…"},
		{"masked before it is cut", Object{Ref: of, Texts: []string{strings.Repeat("a", maxText-10) + " the-password"}}.
			Masked(func(s string) string { return strings.ReplaceAll(s, "the-password", "***") }),
			"Role apps/web: " + strings.Repeat("a", maxText-10) + " ***"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDue(t *testing.T) {
	sent := func(sum string, texts ...string) []Written {
		return []Written{{Object: Object{Ref: ref("A"), Texts: texts}, ID: "a", Sum: sum, Sent: true}}
	}
	left := func(sum string) []Written { return []Written{{Object: Object{Ref: ref("A")}, ID: "a", Sum: sum}} }
	type attempt struct {
		revision string
		objects  []Written
		want     string
	}
	for _, tt := range []struct {
		name     string
		attempts []attempt
	}{
		{"once for a revision", []attempt{
			{"1", sent("x", "old"), "ConfigMap A: old"}, {"1", sent("x", "old"), ""}, {"1", left("x"), ""},
		}},
		{"unchanged in a new revision", []attempt{
			{"1", sent("x", "old"), "ConfigMap A: old"}, {"2", left("x"), "ConfigMap A: old"}, {"2", left("x"), ""},
		}},
		{"sent again in a new revision", []attempt{
			{"1", sent("x", "old"), "ConfigMap A: old"}, {"2", sent("y", "old"), "ConfigMap A: old"},
		}},
		{"other content in one revision", []attempt{
			{"1", sent("x", "old"), "ConfigMap A: old"}, {"1", sent("y", "old"), "ConfigMap A: old"},
		}},
		{"another warning", []attempt{
			{"1", sent("x", "old"), "ConfigMap A: old"}, {"1", sent("x", "older"), "ConfigMap A: older"},
		}},
		{"no warning any more", []attempt{
			{"1", sent("x", "old"), "ConfigMap A: old"}, {"2", sent("x"), ""}, {"3", left("x"), ""},
		}},
		{"content that was sent by others", []attempt{
			{"1", sent("x", "old"), "ConfigMap A: old"}, {"2", left("y"), ""}, {"3", left("x"), ""},
		}},
		{"never sent", []attempt{{"1", left("x"), ""}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var notes Notes
			owner := types.NamespacedName{Namespace: "apps", Name: "web"}
			for i, a := range tt.attempts {
				var got string
				for _, object := range notes.Due(owner, a.revision, a.objects) {
					got += object.String()
				}
				if got != a.want {
					t.Errorf("attempt %d reports %q, want %q", i, got, a.want)
				}
			}
			notes.Forget(owner)
			if len(notes.owners) != 0 {
				t.Error("an owner is kept that is gone")
			}
		})
	}
}

// What many objects are warned of is reported, and not all of it kept.
func TestNotesAreBounded(t *testing.T) {
	var notes Notes
	owner := types.NamespacedName{Name: "web"}
	var objects []Written
	for i := range 2 * maxObjects {
		object := Object{Ref: ref(fmt.Sprint(i)), Texts: []string{"old"}}
		objects = append(objects, Written{Object: object, ID: object.Ref.Name, Sent: true})
	}
	if got := len(notes.Due(owner, "1", objects)); got != len(objects) {
		t.Errorf("%d objects are reported, want %d", got, len(objects))
	}
	if got := len(notes.owners[owner]); got != maxObjects {
		t.Errorf("%d are kept, want %d", got, maxObjects)
	}
	other := types.NamespacedName{Name: "other"}
	if got := len(notes.Due(other, "1", objects[:1])); got != 1 {
		t.Errorf("of another owner %d are reported, want 1", got)
	}
}
