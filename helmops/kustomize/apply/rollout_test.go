package apply

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/test/build"
)

func TestReason(t *testing.T) {
	t.Parallel()
	final := &ssa.InvalidObjectsError{Final: true}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "a", errors.New("no"))
	for _, tt := range []struct {
		err    error
		reason string
		final  bool
	}{
		{&KindError{}, v1beta1.KindUnknownReason, false},
		{&OwnedError{}, v1beta1.OwnershipConflictReason, false},
		{&EmptyError{}, v1beta1.NothingToApplyReason, false},
		{&ForeignError{}, v1beta1.PruneRefusedReason, false},
		{&cluster.KubeconfigError{}, v1beta1.KubeConfigInvalidReason, false},
		{
			fmt.Errorf("get: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), v1beta1.ClusterUnreachableReason, false,
		},
		{forbidden, v1beta1.AccessDeniedReason, false},
		{final, v1beta1.ValidationFailedReason, true},
		{&ssa.InvalidObjectsError{}, v1beta1.ValidationFailedReason, false},
		{errors.New("else"), v1beta1.ApplyFailedReason, false},
		{ssa.Join([]error{nil, errors.New("else"), &OwnedError{}}), v1beta1.OwnershipConflictReason, false},
	} {
		if reason, final := Reason(fmt.Errorf("wrapped: %w", tt.err)); reason != tt.reason || final != tt.final {
			t.Errorf("%T: %s, %v; want %s, %v", tt.err, reason, final, tt.reason, tt.final)
		}
	}
}

func TestAForeignErrorSaysWhatWasDone(t *testing.T) {
	t.Parallel()
	e := &ForeignError{Object: "Namespace a", Holds: []string{"pods 1", "pods 2", "pods 3", "pods 4"}}
	if !strings.Contains(e.Error(), "nothing was changed") || !strings.Contains(e.Error(), "pods 3 and 1 more") {
		t.Error(e)
	}
	if e.Late = true; strings.Contains(e.Error(), "nothing was changed") {
		t.Error(e)
	}
}

func TestStages(t *testing.T) {
	t.Parallel()
	for kind, want := range map[schema.GroupKind]int{
		{Kind: "Namespace"}: definitions, {Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: definitions,
		{Group: "storage.k8s.io", Kind: "StorageClass"}:     classes,
		{Group: "scheduling.k8s.io", Kind: "PriorityClass"}: classes,
		{Kind: "Secret"}: referents, {Kind: "ServiceAccount"}: referents,
		{Group: "apps", Kind: "Deployment"}: others, {Group: v1beta1.GroupVersion.Group, Kind: "HelmRelease"}: others,
	} {
		if got := stageOf(kind); got != want {
			t.Errorf("%s is of stage %d, want %d", kind, got, want)
		}
	}
}

func TestWhoWaitsForWhom(t *testing.T) {
	t.Parallel()
	owner := types.NamespacedName{Namespace: "a", Name: "root"}
	has := "status: {inventory: {entries: [{id: a_x__ConfigMap}, {id: a_root_fairlead.dev_Kustomization}]}}\n"
	for _, tt := range []struct {
		name, live string
		want       bool
	}{
		{"itself", "metadata: {namespace: a, name: root}\n", true},
		{"of the same name elsewhere", "metadata: {namespace: b, name: root}\n", false},
		{"another", "metadata: {namespace: a, name: x, deletionTimestamp: \"2026-01-01T00:00:00Z\"}\n", false},
		{
			"another that is being deleted and has it",
			"metadata: {namespace: a, name: x, deletionTimestamp: \"2026-01-01T00:00:00Z\"}\n" + has, true,
		},
		{"another that has it", "metadata: {namespace: a, name: x}\n" + has, false},
	} {
		if got := waitsFor(build.Object(t, tt.live), owner); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestWhatGoesWithANamespace(t *testing.T) {
	t.Parallel()
	gone := metav1.NewTime(time.Unix(1, 0))
	ours := map[string]string{v1beta1.KustomizationNamespaceLabel: "a", v1beta1.KustomizationNameLabel: "root"}
	theirs := map[string]string{v1beta1.KustomizationNamespaceLabel: "a", v1beta1.KustomizationNameLabel: "other"}
	helm := map[string]string{managedByLabel: "Helm"}
	spared := map[string]string{v1beta1.PruneAnnotation: v1beta1.Disabled}
	release := &pruneCandidate{there: true, kind: v1beta1.GroupVersion.WithKind(v1beta1.HelmReleaseKind)}
	for _, tt := range []struct {
		name     string
		object   metav1.ObjectMeta
		resource string
		gone     []*pruneCandidate
		soon     bool
		want     bool
	}{
		{"ours", metav1.ObjectMeta{Labels: ours}, "configmaps", nil, false, true},
		{"ours, and spared", metav1.ObjectMeta{Labels: ours, Annotations: spared}, "configmaps", nil, false, false},
		{"spared by a label", metav1.ObjectMeta{Labels: spared}, "configmaps", nil, true, false},
		{"that of another Kustomization", metav1.ObjectMeta{Labels: theirs}, "configmaps", nil, true, false},
		{"made by hand", metav1.ObjectMeta{Name: "x"}, "configmaps", nil, true, false},
		{
			"owned by another object", metav1.ObjectMeta{OwnerReferences: make([]metav1.OwnerReference, 1)}, "pods", nil, false,
			true,
		},
		{"going already", metav1.ObjectMeta{DeletionTimestamp: &gone}, "pods", nil, false, true},
		{"the cluster's account", metav1.ObjectMeta{Name: "default"}, "serviceaccounts", nil, false, true},
		{"somebody's account", metav1.ObjectMeta{Name: "robot"}, "serviceaccounts", nil, false, false},
		{"the cluster's certificate", metav1.ObjectMeta{Name: "kube-root-ca.crt"}, "configmaps", nil, false, true},
		{"an event", metav1.ObjectMeta{}, "events", nil, false, true},
		{
			"an object of a release that is uninstalled", metav1.ObjectMeta{Labels: helm}, "deployments",
			[]*pruneCandidate{release}, true, true,
		},
		{
			"a record of it", metav1.ObjectMeta{Name: "sh.helm.release.v1.web.v1"}, "secrets", []*pruneCandidate{release}, true,
			true,
		},
		{
			"one that is still there after that", metav1.ObjectMeta{Labels: helm}, "deployments", []*pruneCandidate{release},
			false, false,
		},
		{"an object of a release of somebody else", metav1.ObjectMeta{Labels: helm}, "deployments", nil, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &run{Set: Set{Owner: types.NamespacedName{Namespace: "a", Name: "root"}}, gone: tt.gone}
			o := &metav1.PartialObjectMetadata{ObjectMeta: tt.object}
			if got := r.goes(o, schema.GroupVersionResource{Version: "v1", Resource: tt.resource}, tt.soon); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestWrittenByOthers(t *testing.T) {
	t.Parallel()
	live := func(manager string) *unstructured.Unstructured {
		return build.Object(t,
			"metadata:\n  managedFields:\n  - {manager: "+v1beta1.KustomizationFieldManager+
				", operation: Apply, fieldsType: FieldsV1, fieldsV1: {\"f:metadata\": {\"f:annotations\": {\"f:"+
				releaseAnnotation+"\": {}}}}}\n  - {manager: "+manager+
				", operation: Update, fieldsType: FieldsV1, fieldsV1: {\"f:metadata\": {\"f:annotations\": {\"f:"+releaseAnnotation+
				"\": {}}}}}\n")
	}
	if !writtenByOthers(live("helm"), releaseAnnotation) {
		t.Error("what Helm wrote is not seen")
	}
	if writtenByOthers(live(v1beta1.KustomizationFieldManager), releaseAnnotation) ||
		writtenByOthers(live("helm"), releaseNamespace) {
		t.Error("what nobody else wrote is seen")
	}
}

func TestWhatIsLeftIsToldOnce(t *testing.T) {
	t.Parallel()
	owner := types.NamespacedName{Namespace: "a", Name: "root"}
	s := &clusterState{claims: map[string]types.NamespacedName{}, left: map[types.NamespacedName]map[string]string{}}
	i := &item{id: "a_x__ConfigMap"}
	s.claims[i.id] = owner
	s.leave(owner, i.id, i.state())
	if !s.wasLeft(owner, i.id, "-") || s.wasLeft(owner, i.id, "another state") ||
		s.wasLeft(types.NamespacedName{Name: "other"}, i.id, "-") {
		t.Error("an object that was left is not known by its state")
	}
	s.settle(owner, []v1beta1.ResourceRef{{ID: i.id}})
	if !s.wasLeft(owner, i.id, "-") || s.claims[i.id] != owner {
		t.Error("what it has is forgotten")
	}
	s.settle(owner, nil)
	if s.wasLeft(owner, i.id, "-") || len(s.claims) != 0 {
		t.Error("what it has not any more is not forgotten")
	}
}

func TestImmutable(t *testing.T) {
	t.Parallel()
	invalid := func(text string) error {
		err := apierrors.NewInvalid(schema.GroupKind{Kind: "X"}, "a", nil)
		err.ErrStatus.Message = text
		return err
	}
	if !ssa.IsImmutable(invalid("spec.selector: Invalid value: {}: field is immutable")) ||
		ssa.IsImmutable(invalid("spec.replicas: must be positive")) ||
		ssa.IsImmutable(errors.New("field is immutable")) {
		t.Error("fields that cannot be changed are not told from others")
	}
	for _, kind := range []string{"Namespace", "PersistentVolumeClaim"} {
		if o := build.Object(t, "apiVersion: v1\nkind: "+kind+"\n"); !protected(&item{Object: Object{Unstructured: o}}) {
			t.Errorf("a %s may be recreated", kind)
		}
	}
}
