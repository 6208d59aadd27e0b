package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	storage "fairlead.dev/fairlead/helmops/engine/storage"
)

// second declares, in a namespace of its own, a HelmRelease that names the Helm release of another.
func second(t *testing.T, owner *v1beta1.HelmRelease) *v1beta1.HelmRelease {
	t.Helper()
	repository := get(t, &v1beta1.HelmRepository{ObjectMeta: named(owner.Namespace, "charts")})
	ns := owner.Namespace + "-second"
	apply(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	hr := release(ns, "second", "sample", "*", "charts", `{"message":"of the second","token":""}`)
	hr.Spec.ReleaseName, hr.Spec.TargetNamespace, hr.Spec.StorageNamespace = owner.Name, owner.Namespace, owner.Namespace
	apply(t, helmRepository(ns, "charts", repository.Spec.URL), hr)
	return hr
}

// awaitRefused waits until a HelmRelease is stalled because another one owns its Helm release.
func awaitRefused(t *testing.T, hr, owner *v1beta1.HelmRelease) {
	t.Helper()
	ready := awaitNotReady(t, hr, v1beta1.OwnedByOtherReason)
	says(t, ready.Message, "owned by a HelmRelease of another namespace")
	if strings.Contains(ready.Message, "HelmRelease "+owner.Namespace+"/") {
		t.Errorf("an object of another namespace is named: %s", ready.Message)
	}
	if stalled := condition(t, hr, v1beta1.StalledCondition); stalled.Status != metav1.ConditionTrue ||
		stalled.Reason != v1beta1.OwnedByOtherReason {
		t.Errorf("it is not stalled: %+v", stalled)
	}
	if status := get(t, hr).Status; status.Latest() != nil || status.Inventory != nil {
		t.Errorf("its status mentions the release: %+v", status)
	}
}

// A second HelmRelease that names a Helm release, from another namespace and with the rights of the controller,
// changes nothing of it, dead or alive. It takes over when the owner goes and leaves the release behind.
func TestASecondHelmReleaseIsRefused(t *testing.T) {
	t.Parallel()
	ns, owner := driftRelease(t, v1beta1.DriftEnabled)
	runs := uidOf(t, deployment(ns))
	hr := second(t, owner)
	awaitRefused(t, hr, owner)
	removed(t, hr)
	wantRevisions(t, owner, "1:deployed")
	if uidOf(t, deployment(ns)) != runs {
		t.Error("the Deployment is another one")
	}

	hr = second(t, owner)
	awaitRefused(t, hr, owner)
	before := image(t, ns)
	editAs(t, "kubectl-edit", deployment(ns), setImage)
	until(t, "drift is still corrected for the owner", func() bool { return image(t, ns) == before })
	awaitDrifted(t, owner, v1beta1.DriftCorrectedReason)
	if condition(t, owner, v1beta1.ReadyCondition).Status != metav1.ConditionTrue {
		t.Error("the owner is not Ready any more")
	}

	mustRun(t, "kubectl", "patch", "hr/"+owner.Name, "-n", ns, "--type=merge", "-p",
		`{"spec":{"deletionPolicy":"Orphan"}}`)
	removed(t, owner)
	awaitReady(t, hr)
	wantRevisions(t, owner, "1:superseded 2:deployed")
	removed(t, hr)
	if exists(t, recordOf(ns, "web.v2")) || exists(t, deployment(ns)) {
		t.Error("the release is left although its present owner was deleted")
	}
}

// A HelmRelease that is deleted and created again continues with its release, without a revision, and owns it under its
// new UID.
func TestAHelmReleaseThatIsCreatedAgainKeepsItsRelease(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	hr.Spec.DeletionPolicy = v1beta1.DeletionPolicyOrphan
	apply(t, hr)
	awaitReady(t, hr)
	first := hr.UID
	if owner := get(t, recordOf(ns, "web.v1")).Annotations[storage.OwnerAnnotation]; !strings.Contains(owner,
		string(first)) {
		t.Errorf("the record names %s as its owner", owner)
	}
	removed(t, hr)
	wantRevisions(t, hr, "1:deployed")

	again := release(ns, "web", "sample", "*", "charts", "")
	apply(t, again)
	awaitReady(t, again)
	wantRevisions(t, again, "1:deployed")
	if owner := get(t, recordOf(ns, "web.v1")).Annotations[storage.OwnerAnnotation]; !strings.Contains(owner,
		string(again.UID)) {
		t.Errorf("the record still names %s as its owner", owner)
	}
	if get(t, again).Status.Inventory == nil {
		t.Error("its objects are not known")
	}
	removed(t, again)
	if exists(t, recordOf(ns, "web.v1")) {
		t.Error("the release is left although its owner was deleted")
	}
}
