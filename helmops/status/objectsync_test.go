package status

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// The sync of one object leaves Ready, and the drift of another one, as they are.
func TestObjectsSynced(t *testing.T) {
	t.Parallel()
	drifted := func(name string) v1beta1.ObjectDrift {
		return v1beta1.ObjectDrift{Kind: "ConfigMap", Namespace: "apps", Name: name, Missing: true}
	}
	sync := func(change ...func(*Outcome)) Outcome {
		return outcome(plan.Correct, append([]func(*Outcome){func(o *Outcome) {
			o.Reason = plan.ReasonSelected
			o.SyncRequest = "7"
			o.To = 3
			o.Looked = []v1beta1.ResourceRef{v1beta1.NewResourceRef("apps", "one", "", "ConfigMap", "v1")}
			o.Drift = []v1beta1.ObjectDrift{drifted("one")}
		}}, change...)...)
	}
	hr := helmRelease()
	hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: v1beta1.DriftWarn}
	hr.Status.Drift = []v1beta1.ObjectDrift{drifted("one"), drifted("two")}
	event := ReleaseDone(hr, sync(), now)
	if event.Warning || !strings.Contains(event.Message, "sync of ConfigMap apps/one to revision 3, requested at 7: corrected") {
		t.Errorf("event %+v", event)
	}
	if len(hr.Status.Drift) != 1 || hr.Status.Drift[0].Name != "two" || allConditions(hr)["Drifted"] != "True DriftDetected" {
		t.Errorf("drift %+v, conditions %v", hr.Status.Drift, allConditions(hr))
	}
	last := hr.Status.LastObjectSync
	if _, ready := allConditions(hr)["Ready"]; ready || last.RequestedAt != "7" || last.Revision != 3 ||
		last.Objects[0] != "apps_one__ConfigMap" || hr.Status.LastHandledSyncObjectsAt != "7" || last.Failure != "" {
		t.Errorf("status %+v", hr.Status)
	}

	failed := ReleaseDone(hr, sync(failing(Failure{Message: "forbidden"})), now)
	if !failed.Warning || hr.Status.LastObjectSync.Failure != "forbidden" {
		t.Errorf("event %+v, status %+v", failed, hr.Status.LastObjectSync)
	}
}

func TestAnObjectSyncIsAnswered(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	hr.Annotations = map[string]string{
		v1beta1.ReconcileRequestAnnotation: "7", v1beta1.SyncObjectsRequestAnnotation: "7",
		v1beta1.SyncObjectsAnnotation: strings.Repeat("a_b_c_D,", 100),
	}
	if _, ids := v1beta1.ObjectSyncRequest(hr, ""); len(ids) != v1beta1.MaxSyncedObjects || !v1beta1.OnlySyncsObjects(hr) {
		t.Errorf("%d objects of one request", len(ids))
	}
	ObjectSyncAnswered(hr)
	if hr.Status.LastHandledSyncObjectsAt != "7" || hr.Status.LastObjectSync != nil {
		t.Errorf("status %+v", hr.Status)
	}
}
