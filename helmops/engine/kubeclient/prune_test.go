package kubeclient

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/build"
)

const (
	namespaceText  = "{apiVersion: v1, kind: Namespace, metadata: {name: team}}"
	definitionText = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition," +
		" metadata: {name: gears.example.com}, spec: {group: example.com, scope: Namespaced," +
		" names: {kind: Gear, plural: gears}, versions: [{name: v1, served: true, storage: true}]}}"
)

func kept(o *unstructured.Unstructured) {
	annotations := o.GetAnnotations()
	annotations[resourcePolicyAnnotation] = keepPolicy
	o.SetAnnotations(annotations)
}

func grown(o *unstructured.Unstructured) {
	_ = unstructured.SetNestedField(o.Object, "5Gi", storagePath...)
}

// What the chart has no longer is deleted when it is the release's alone and no data of users goes with it.
func TestUpdateDeletesWhatTheChartHasNoLonger(t *testing.T) {
	t.Parallel()
	rollback := func(o *Options) { o.Rollback = &Rollback{Protect: []string{"ConfigMap"}} }
	prunes := func(kinds ...string) func(*Options) { return func(o *Options) { o.Keep.Prune = kinds } }
	for _, tt := range []struct {
		name    string
		text    string
		live    []func(*unstructured.Unstructured) // nil when it is gone
		inside  string                             // an object of another client
		options []func(*Options)
		deleted bool
		kept    string // the reason, for what is kept for its data
	}{
		{
			name: "one of the release",
			text: otherText, live: []func(*unstructured.Unstructured){ofRelease("web")}, deleted: true,
		},
		{name: "one that is gone already", text: otherText},
		{name: "one of another release", text: otherText, live: []func(*unstructured.Unstructured){ofRelease("shop")}},
		{name: "one without an owner", text: otherText, live: []func(*unstructured.Unstructured){edited}},
		{
			name: "one that is to be kept",
			text: otherText, live: []func(*unstructured.Unstructured){ofRelease("web"), kept},
		},
		{
			name: "one of a kind that a rollback protects", text: otherText, options: []func(*Options){rollback},
			live: []func(*unstructured.Unstructured){ofRelease("web")}, kept: "a rollback does not delete it",
		},
		{
			name: "a claim", text: claimText, live: []func(*unstructured.Unstructured){ofRelease("web")},
			kept: "holds data",
		},
		{
			name: "a claim that may be deleted", text: claimText,
			options: []func(*Options){prunes("PersistentVolumeClaim")},
			live:    []func(*unstructured.Unstructured){ofRelease("web")}, deleted: true,
		},
		{
			name: "an empty namespace",
			text: namespaceText, live: []func(*unstructured.Unstructured){ofRelease("web")}, deleted: true,
		},
		{
			name: "a namespace with an object", text: namespaceText,
			live:   []func(*unstructured.Unstructured){ofRelease("web")},
			inside: "{apiVersion: v1, kind: ConfigMap, metadata: {name: theirs, namespace: team}}", kept: "theirs",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			if tt.live != nil {
				s.put(t, tt.text, tt.live...)
			}
			if tt.inside != "" {
				s.put(t, tt.inside)
			}
			c := s.client(t, tt.options...)
			result, err := c.Update(c.build(t, settingsText, tt.text), c.build(t, settingsText), false)
			if err != nil {
				t.Fatal(err)
			}
			name := build.Object(t, tt.text).GetName()
			if gone := s.get(name) == nil; tt.live != nil && gone != tt.deleted || tt.deleted != (len(result.Deleted) == 1) {
				t.Errorf("deleted are %v, after %v", result.Deleted, s.wrote())
			}
			reasons := ""
			for _, object := range c.Kept() {
				reasons += object.String() + ": " + object.Reason
			}
			if (tt.kept == "") != (reasons == "") || !strings.Contains(reasons, tt.kept) {
				t.Errorf("kept is %q, want %q", reasons, tt.kept)
			}
			if tt.kept != "" && ownerOf(s.get(name)) != (owner{}) {
				t.Error("what is kept has still the marks of the release")
			}
			if s.get("settings") == nil {
				t.Error("what the chart has is not written")
			}
		})
	}
}

// Of what the manifest of a failed revision may have left, the next update deletes what is the release's.
func TestUpdateDeletesWhatAFailedRevisionLeft(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	s.put(t, otherText, ofRelease("web"))
	unknown := "{apiVersion: example.com/v1, kind: Gear, metadata: {name: one}}"
	c := s.client(t, func(o *Options) { o.Leftovers = []string{otherText, unknown} })
	result, err := c.Update(nil, c.build(t, settingsText), false)
	if err != nil || len(result.Deleted) != 1 || s.get("other") != nil {
		t.Errorf("error %v, deleted are %v", err, result.Deleted)
	}
}

// When an object cannot be written, nothing is deleted.
func TestUpdateThatFailsDeletesNothing(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	s.put(t, otherText, ofRelease("web"))
	s.answer = func(method, path string) *metav1.Status {
		if method == http.MethodPatch && strings.HasSuffix(path, "/settings") {
			return refusalOf(http.StatusForbidden, metav1.StatusReasonForbidden, "not allowed")
		}
		return nil
	}
	c := s.client(t)
	result, err := c.Update(c.build(t, otherText), c.build(t, settingsText), false)
	if err == nil || len(result.Deleted) != 0 || s.get("other") == nil {
		t.Errorf("error %v, deleted are %v", err, result.Deleted)
	}
}

// A rollback asks for no less room than a claim has; an upgrade asks for what the chart says.
func TestARollbackKeepsTheSizeOfAClaim(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		rollback *Rollback
		want     string
	}{
		{name: "a rollback", rollback: &Rollback{}, want: "5Gi"},
		{name: "an upgrade", want: "1Gi"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			s.put(t, claimText, ofRelease("web"), grown)
			c := s.client(t, func(o *Options) { o.Rollback = tt.rollback })
			target := c.build(t, claimText)
			if _, err := c.Update(c.build(t, claimText), target, false); err != nil {
				t.Fatal(err)
			}
			if size, _, _ := unstructured.NestedString(s.get("data").Object, storagePath...); size != tt.want {
				t.Errorf("the claim asks for %s, want %s", size, tt.want)
			}
		})
	}
}

// Deleting a release deletes its claims only when the user deletes the whole release; what has failed is named, and the
// others are deleted all the same.
func TestDeleteKeepsClaimsUnlessTheWholeReleaseGoes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		whole   bool
		refuses bool
		gone    []string
		stay    []string
	}{
		{name: "the whole release", whole: true, gone: []string{"data", "settings"}},
		{name: "an upgrade that failed", gone: []string{"settings"}, stay: []string{"data"}},
		{
			name:  "an object that cannot be deleted",
			whole: true, refuses: true, gone: []string{"data"}, stay: []string{"settings"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			s.put(t, claimText, ofRelease("web"))
			s.put(t, settingsText, ofRelease("web"))
			s.answer = func(method, path string) *metav1.Status {
				if tt.refuses && method == http.MethodDelete && strings.HasSuffix(path, "/settings") {
					return refusalOf(http.StatusForbidden, metav1.StatusReasonForbidden, "not allowed")
				}
				return nil
			}
			c := s.client(t, func(o *Options) { o.Keep.Whole = tt.whole })
			_, failures := c.Delete(c.build(t, claimText, settingsText, otherText))
			if (len(failures) > 0) != tt.refuses || (c.Failure() != nil) != tt.refuses {
				t.Errorf("failures: %v, %v", failures, c.Failure())
			}
			if tt.refuses && !strings.Contains(c.Failure().Error(), "deleting ConfigMap apps/settings") {
				t.Errorf("the failure does not name the object: %v", c.Failure())
			}
			for _, name := range tt.gone {
				if s.get(name) != nil {
					t.Errorf("%s is still there", name)
				}
			}
			for _, name := range tt.stay {
				if s.get(name) == nil {
					t.Errorf("%s was deleted", name)
				}
			}
		})
	}
}

// Objects that others may live in are deleted last, unless the whole release goes, which has Helm's order.
func TestDataIsDeletedLast(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	for _, whole := range []bool{false, true} {
		c := s.client(t, func(o *Options) { o.Keep.Whole = whole })
		var names []string
		for _, info := range c.dataLast(c.build(t, namespaceText, claimText, settingsText, definitionText, otherText)) {
			names = append(names, info.Name)
		}
		want := []string{"settings", "other", "team", "data", "gears.example.com"}
		if whole {
			want = []string{"team", "data", "settings", "gears.example.com", "other"}
		}
		if !slices.Equal(names, want) {
			t.Errorf("whole %t: the order is %v, want %v", whole, names, want)
		}
	}
}

// A definition or a namespace is still wanted while the chart has something of it.
func TestWhatTheChartStillNeedsIsKept(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	inTeam := "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: team}}"
	brought := func(o *Options) { o.Keep.Brought = []string{"gears.example.com"} }
	gear := func(c *Client) kube.ResourceList {
		info := infoOf(t, "{apiVersion: example.com/v1, kind: Gear, metadata: {name: one}}")
		return append(c.build(t, settingsText), info)
	}
	for _, tt := range []struct {
		name    string
		text    string
		wanted  func(c *Client) kube.ResourceList
		options []func(*Options)
		want    string
	}{
		{
			name: "a namespace of nothing",
			text: namespaceText, wanted: func(c *Client) kube.ResourceList { return c.build(t, settingsText) },
		},
		{
			name: "a namespace with an object of the chart", text: namespaceText,
			wanted: func(c *Client) kube.ResourceList { return c.build(t, inTeam) },
			want:   "the chart still has ConfigMap team/settings",
		},
		{
			name: "a definition of nothing",
			text: definitionText, wanted: func(c *Client) kube.ResourceList { return c.build(t, settingsText) },
		},
		{
			name: "a definition of an object of the chart",
			text: definitionText, wanted: gear, want: "the chart still has Gear apps/one",
		},
		{
			name: "a definition that moved into the crds directory", text: definitionText,
			options: []func(*Options){brought},
			wanted:  func(*Client) kube.ResourceList { return nil }, want: "the chart has it in its crds directory now",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := s.client(t, tt.options...)
			var info *resource.Info
			for _, i := range c.build(t, tt.text) {
				info = i
			}
			if got := c.stillWanted(info, build.Object(t, tt.text), tt.wanted(c)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A preview names what an update would keep, and changes nothing.
func TestForeseeNamesWhatAnUpdateWouldKeep(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	s.put(t, claimText, ofRelease("web"))
	s.put(t, otherText, ofRelease("web"))
	c := s.client(t)
	former := strings.Join([]string{claimText, otherText, settingsText}, "\n---\n")
	would, err := c.PreviewKept(former, settingsText)
	if err != nil || len(would) != 1 || would[0].Name != "data" || would[0].Reason == "" {
		t.Errorf("error %v, it would keep %v", err, would)
	}
	if would, err = c.PreviewKept(settingsText, settingsText); err != nil || len(would) != 0 {
		t.Errorf("without a change: error %v, it would keep %v", err, would)
	}
	if wrote := s.wrote(); len(wrote) != 0 {
		t.Errorf("the preview wrote %v", wrote)
	}
}

// What was kept before is reported while it is there and has no owner.
func TestStillKeptIsWhatHasNoOwnerYet(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	s.put(t, claimText)
	s.put(t, strings.Replace(claimText, "name: data", "name: taken", 1), ofRelease("shop"))
	before := []v1beta1.KeptObject{
		{Kind: "PersistentVolumeClaim", Namespace: "apps", Name: "data"},
		{Kind: "PersistentVolumeClaim", Namespace: "apps", Name: "taken"},
		{Kind: "PersistentVolumeClaim", Namespace: "apps", Name: "gone"},
		{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition", Name: "gears.example.com"},
	}
	c := s.client(t, func(o *Options) {
		o.Keep.Before = before
		o.Keep.Brought = []string{"gears.example.com"}
	})
	still := c.StillKept()
	if len(still) != 1 || still[0].Name != "data" {
		t.Errorf("still kept are %v", still)
	}
}

// An object that has finalizers is waited for, and they are named when there is no more time.
func TestWaitingForADeletionNamesTheFinalizers(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	c := s.client(t)
	list := c.build(t, settingsText)
	if err := c.WaitForDelete(list, 5*c.options.Timeout); err != nil {
		t.Errorf("of what is not there: %v", err)
	}
	s.put(t, settingsText, func(o *unstructured.Unstructured) {
		o.SetFinalizers([]string{"example.com/a", "example.com/b"})
	})
	err := c.whyKept(list[0], c.options.Timeout)
	want := "ConfigMap apps/settings is still there 5s after it was deleted; its finalizers are example.com/a, example.com/b"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	c.leave(list[0], left)
	if err := c.WaitForDelete(list, c.options.Timeout); err != nil {
		t.Errorf("of what nothing is waited for: %v", err)
	}
}
