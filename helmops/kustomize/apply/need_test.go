package apply

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/test/build"
)

const configText = "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: team, name: web}\n"

// itemOf is an object that was applied before with the same content, and is as it was left.
func itemOf(t *testing.T, text string, changes ...func(*item)) *item {
	t.Helper()
	i := &item{Object: Object{Unstructured: build.Object(t, text)}, id: "team_web__ConfigMap", sum: "s1", there: true}
	i.entry = tracker.Entry{Ownership: 7}
	i.before = &v1beta1.ResourceRef{ID: i.id, Payload: "s1", Ownership: tracker.OwnershipText(7)}
	for _, change := range changes {
		change(i)
	}
	return i
}

func isEdited(i *item) { i.entry.Ownership = 8 }

func isGone(i *item) {
	i.there = false
	i.entry = tracker.Entry{}
}

func TestWhatAnAttemptDoesAboutAnObject(t *testing.T) {
	t.Parallel()
	ignoring, err := drift.Compile(
		[]v1beta1.DriftIgnoreRule{{Target: &v1beta1.Selector{Kind: "ConfigMap"}, Paths: []string{""}}})
	if err != nil {
		t.Fatal(err)
	}
	job := "apiVersion: batch/v1\nkind: Job\nmetadata: {namespace: team, name: web}\nspec: {ttlSecondsAfterFinished: 60}\n"
	fight := &dispute{manager: "kubectl", until: time.Unix(60, 0)}
	for _, tt := range []struct {
		name    string
		item    *item
		ignore  *drift.Rules
		dispute *dispute
		want    need
	}{
		{
			name: "one that is new", item: itemOf(t, configText, func(i *item) { i.before = nil }),
			want: need{write: true},
		},
		{
			name: "one with other content", item: itemOf(t, configText, func(i *item) { i.sum = "s2" }),
			want: need{write: true},
		},
		{
			name: "one whose kind the set brings", item: itemOf(t, configText, func(i *item) { i.pending = true }),
			want: need{write: true},
		},
		{name: "one that is as it was left", item: itemOf(t, configText)},
		{name: "one that is as it was left, and was disputed", item: itemOf(t, configText), dispute: fight},
		{name: "one that was edited", item: itemOf(t, configText, isEdited), want: need{write: true}},
		{name: "one that was deleted", item: itemOf(t, configText, isGone), want: need{write: true}},
		{
			name: "one that is being deleted", item: itemOf(t, configText, func(i *item) { i.entry.Deleting = true }),
			want: need{write: true},
		},
		{
			name: "one that was edited and is ignored", item: itemOf(t, configText, isEdited), ignore: ignoring,
			want: need{leave: true},
		},
		{
			name: "one that was edited and whose live object is left out",
			item: itemOf(t, configText, isEdited, func(i *item) { i.entry.IgnoresDrift = true }),
			want: need{leave: true},
		},
		{name: "a Job that has gone by itself", item: itemOf(t, job, isGone), want: need{leave: true}},
		{name: "a Job that was edited", item: itemOf(t, job, isEdited), want: need{write: true}},
		{
			name: "one that another client changes again and again", item: itemOf(t, configText, isEdited),
			dispute: fight,
			want:    need{leave: true, dispute: fight},
		},
		{
			name: "other content of a disputed one", item: itemOf(t, configText, func(i *item) { i.sum = "s2" }),
			dispute: fight,
			want:    need{write: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := needOf(tt.item, func() *dispute { return tt.dispute }, tt.ignore); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Disputed objects are reported with the client, and the attempt is repeated when the first dispute is over.
func TestDisputedObjectsAreReportedAndTriedAgain(t *testing.T) {
	t.Parallel()
	owner := types.NamespacedName{Namespace: "team", Name: "apps"}
	r := &run{Set: Set{Owner: owner}, site: &clusterState{left: map[types.NamespacedName]map[string]string{}}}
	edited := itemOf(t, configText, isEdited)
	r.leaveAlone(edited, &dispute{manager: "kubectl", until: time.Unix(120, 0)})
	r.leaveAlone(edited, &dispute{until: time.Unix(60, 0)})
	r.leaveAlone(edited, &dispute{manager: "argo", until: time.Unix(180, 0)})
	if !r.result.Again.Equal(time.Unix(60, 0)) {
		t.Errorf("it is tried again at %s", r.result.Again)
	}
	said := strings.Join(r.result.Kept, "\n")
	for _, want := range []string{
		"because kubectl changes it again and again", "corrected again after 1970-01-01T00:02:00Z",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it is not said that %q:\n%s", want, said)
		}
	}
	if !r.site.wasLeft(owner, edited.id, edited.state()) {
		t.Error("the object is looked at as one that differs")
	}
	quiet := itemOf(t, configText, isGone)
	r.leaveAlone(quiet, nil)
	if len(r.result.Kept) != 3 || !r.site.wasLeft(owner, quiet.id, "-") {
		t.Errorf("an object that is left by its manifest: %v", r.result.Kept)
	}
}
