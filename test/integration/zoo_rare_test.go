package integration

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// notHeld are the reasons that no object of the zoo has, and why. TestReasonsOfEventsAreOfNoCondition of test/layers
// checks what is said of events and plans.
var notHeld = map[string]string{
	v1beta1.SuspendedReason:            "of plans only: a suspended object keeps the conditions it had",
	v1beta1.InternalErrorReason:        "it takes a fault of the controller",
	v1beta1.CancelledReason:            "it takes a step that a user cancels, which TestCancelOfAHookThatHangs looks at",
	v1beta1.AwaitingConfirmationReason: "it takes a deletion that waits, which TestPruneWaitsForAConfirmation looks at",
	v1beta1.NotPromotedReason:          "on Promotions that users made, which TestManualPromotion looks at",
	v1beta1.StorageFailedReason:        "it takes a disk that fails",
	v1beta1.RepublishedReason:          "of events only",
	v1beta1.TagMovedReason:             "of events only",
	v1beta1.AdoptedReason:              "of events only",
	v1beta1.KeptReason:                 "of events only",
	v1beta1.FieldsDroppedReason:        "of events only",
	v1beta1.NotPrunedReason:            "of events only",
	v1beta1.ObjectsSyncedReason:        "of events only",
	v1beta1.OrphanedReason:             "of events only",
	v1beta1.WarningReceivedReason:      "of events only",
	v1beta1.SyncWindowOverriddenReason: "of events only",
	// A stage of a pipeline, after it replaced candidates.
	v1beta1.CandidatesDisplacedReason: "of events only",
}

// rare keeps objects in states that take more than their own spec.
func (z *zoo) rare() {
	z.Helper()
	z.keep(z.hr("library", "", func(s *v1beta1.HelmReleaseSpec) {
		s.Chart.Spec.Version = "3.x"
	}), v1beta1.ArtifactFailedReason)
	z.keep(kustomization(z.ns, "endless", "endless", func(s *v1beta1.KustomizationSpec) {
		s.PostBuild = &v1beta1.PostBuild{Substitute: map[string]string{"a": "b"}}
	}), v1beta1.RenderingLimitExceededReason)
	z.greedy()
	z.pending()
	z.adopted()
	z.fought()
	z.unseen()
	z.wilting()
	hr := z.hr("stays-down", `{"hooks":{"pre-rollback":3}}`)
	z.train(hr, func() { apply(z.T, withValues(hr, `{"waiting":"CrashLoopBackOff"}`)) }, v1beta1.RollbackFailedReason)
}

// lost keeps a release and a Kustomization on a cluster that answers no more.
func (z *zoo) lost() {
	z.Helper()
	proxy, err := env.StartProxy(world.cluster.Config, filepath.Join(world.dir, z.ns, "lost"))
	if err != nil {
		z.Fatal(err)
	}
	kubeconfig, err := os.ReadFile(proxy.Kubeconfig)
	if err != nil {
		z.Fatal(err)
	}
	hr := z.remote("lost", string(kubeconfig))
	k := kustomization(z.ns, "lost", "lost")
	k.Spec.KubeConfig = hr.Spec.KubeConfig
	z.keep(k, v1beta1.HealthUnknownReason)
	for _, object := range []env.Conditioned{hr, k} {
		z.stays(object, v1beta1.ClusterUnreachableReason)
		awaitReady(z.T, object)
		until(z.T, "its health is known", func() bool {
			return condition(z.T, object, v1beta1.HealthyCondition).Reason == v1beta1.HealthyReason
		})
	}
	if err := proxy.Close(); err != nil {
		z.Error(err)
	}
}

// greedy keeps a Bucket with more than the sources of a namespace may have in the cache.
func (z *zoo) greedy() {
	z.Helper()
	name := z.ns + "-greedy"
	if err := world.buckets.Create(z.Context(), name); err != nil {
		z.Fatal(err)
	}
	noise := make([]byte, 6<<20)
	for i := range noise {
		noise[i] = byte(rand.UintN(256)) // hard to compress
	}
	put(z.T, name, map[string]string{"noise": string(noise)})
	greedy := get(z.T, &v1beta1.Bucket{ObjectMeta: named(z.ns, "fleet")})
	greedy = &v1beta1.Bucket{ObjectMeta: named(z.ns, "greedy"), Spec: greedy.Spec}
	greedy.Spec.BucketName = name
	z.keep(greedy, v1beta1.BudgetExceededReason)
}

// pending keeps a release that another Helm client is installing.
func (z *zoo) pending() {
	z.Helper()
	now := time.Now().UTC().Format(time.RFC3339)
	document, err := json.Marshal(map[string]any{
		"name": "pending", "namespace": z.ns, "version": 1,
		"info":  map[string]any{"status": "pending-install", "first_deployed": now, "last_deployed": now},
		"chart": map[string]any{"metadata": map[string]any{"apiVersion": "v2", "name": "sample", "version": "1.0.0"}},
	})
	if err != nil {
		z.Fatal(err)
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(document); err != nil {
		z.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		z.Fatal(err)
	}
	record := recordOf(z.ns, "pending.v1")
	record.Data = map[string][]byte{"release": []byte(base64.StdEncoding.EncodeToString(packed.Bytes()))}
	record.Type = "helm.sh/release.v1"
	record.Labels = map[string]string{"owner": "helm", "name": "pending", "status": "pending-install", "version": "1"}
	apply(z.T, record)
	z.keep(z.hr("pending", ""), v1beta1.PendingReleaseReason)
}

// adopted keeps a release of the helm command with an edit that its first upgrade would overwrite, a day later.
func (z *zoo) adopted() {
	z.Helper()
	byHelm(z.T, z.ns, "adopted")
	byHand(z.T, z.ns, "adopted")
	hr := z.hr("adopted", `{"message":"declared"}`)
	z.keep(hr, v1beta1.AdoptionHeldReason)
	awaitNotReady(z.T, hr, v1beta1.AdoptionHeldReason)
	patchUntil(z.T, hr, time.Now().Add(24*time.Hour))
	hr.Spec.Timeout = &metav1.Duration{Duration: time.Minute}
	apply(z.T, hr) // the objects are compared again, and the new time is taken over
}

// fought keeps a release with an object that another manager changes again and again, and one with an object that
// another manager has changed and then made immutable.
func (z *zoo) fought() {
	z.Helper()
	corrects := func(s *v1beta1.HelmReleaseSpec) {
		s.DriftDetection = &v1beta1.DriftDetection{Mode: v1beta1.DriftEnabled}
	}
	rivalry := z.hr("rivalry", "", corrects)
	z.train(rivalry, func() {
		awaitDrifted(z.T, rivalry, v1beta1.NoDriftReason)
		until(z.T, "the fight is noticed", func() bool {
			if condition(z.T, rivalry, v1beta1.DriftedCondition).Reason == v1beta1.DriftFightReason {
				return true
			}
			editAs(z.T, "rival", deploymentOf(rivalry), setImage)
			return false
		})
	}, v1beta1.DriftFightReason)
	frozen := z.hr("frozen", "", corrects)
	z.train(frozen, func() {
		awaitDrifted(z.T, frozen, v1beta1.NoDriftReason)
		config := &corev1.ConfigMap{ObjectMeta: named(z.ns, frozen.Name)}
		editAs(z.T, "freezer", config, `{"data":{"message":"frozen"},"immutable":true}`)
	}, v1beta1.DriftCorrectionFailedReason)
}

// unseen keeps a release with an object that has changed, and that its ServiceAccount may not read any more.
func (z *zoo) unseen() {
	z.Helper()
	all := z.account("peeker", "cluster-admin")
	role := &rbacv1.Role{ObjectMeta: named(z.ns, "records"), Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list", "watch"}},
	}}
	apply(z.T, role, &rbacv1.RoleBinding{
		ObjectMeta: named(z.ns, "records"), Subjects: all.Subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
	})
	hr := z.hr("unseen", "", func(s *v1beta1.HelmReleaseSpec) {
		s.ServiceAccountName = "peeker"
		s.DriftDetection = &v1beta1.DriftDetection{Mode: v1beta1.DriftWarn}
	})
	z.train(hr, func() {
		awaitDrifted(z.T, hr, v1beta1.NoDriftReason)
		remove(z.T, all)
		until(z.T, "the right is gone", func() bool {
			_, _, code := command(z.T, "kubectl", "auth", "can-i", "get", "deployments", "-n", z.ns,
				"--as", "system:serviceaccount:"+z.ns+":peeker")
			return code != 0
		})
		editAs(z.T, "kubectl-edit", deploymentOf(hr), setImage)
	}, v1beta1.DriftUnknownReason)
	z.stays(hr, v1beta1.AccessDeniedReason)
}

// account creates a ServiceAccount with a ClusterRole in the namespace of the zoo.
func (z *zoo) account(name, role string) *rbacv1.RoleBinding {
	z.Helper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: named(z.ns, name),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: z.ns, Name: name}},
	}
	apply(z.T, &corev1.ServiceAccount{ObjectMeta: named(z.ns, name)}, binding)
	return binding
}

// wilting keeps a release whose pods stop to be ready while it bakes, and one that depends on it, whose pods do the
// same.
func (z *zoo) wilting() {
	z.Helper()
	bakes := func(s *v1beta1.HelmReleaseSpec) { s.Bake = &metav1.Duration{Duration: 20 * time.Second} }
	wilts := z.hr("wilts", "", bakes)
	z.keep(wilts, v1beta1.BakeFailedReason, v1beta1.UnhealthyReason)
	awaitReady(z.T, wilts)
	leans := z.hr("leans", "", bakes, func(s *v1beta1.HelmReleaseSpec) {
		s.DependsOn = []v1beta1.DependencyReference{{Name: wilts.Name}}
	})
	z.keep(leans, v1beta1.InconclusiveReason, v1beta1.UnhealthyReason)
	awaitReady(z.T, leans)
	for _, hr := range []*v1beta1.HelmRelease{wilts, leans} {
		body := `{"metadata":{"annotations":{"` + simReady + `":"false"}}}`
		annotate(z.T, z.ns, client.MatchingLabels{"app": hr.Name}, body, func() bool {
			return condition(z.T, hr, v1beta1.HealthyCondition).Reason == v1beta1.UnhealthyReason
		})
	}
}

// remotes keeps releases on clusters that do not answer as they should.
func (z *zoo) remotes() {
	z.Helper()
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "out of order", http.StatusInternalServerError)
	}))
	z.Cleanup(failing.Close)
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	z.Cleanup(untrusted.Close)
	for name, server := range map[string]string{
		"nothing": "https://127.0.0.1:1", "failing": failing.URL, "untrusted": untrusted.URL,
	} {
		config := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: a\n"+
			"contexts: [{name: a, context: {cluster: a, user: a}}]\n"+
			"clusters: [{name: a, cluster: {server: %q}}]\nusers: [{name: a, user: {token: none}}]\n", server)
		hr := z.remote(name, config, v1beta1.ClusterUnreachableReason)
		z.stays(hr, v1beta1.ClusterUnreachableReason)
	}
	z.remote("garbage", "no kubeconfig", v1beta1.KubeConfigInvalidReason)
}

func (z *zoo) remote(name, kubeconfig string, reasons ...string) *v1beta1.HelmRelease {
	z.Helper()
	apply(z.T, secretWith(z.ns, "kubeconfig-"+name, map[string][]byte{"value": []byte(kubeconfig)}))
	hr := z.hr("on-"+name, "", func(s *v1beta1.HelmReleaseSpec) {
		s.KubeConfig = &v1beta1.KubeConfigReference{SecretRef: &v1beta1.SecretKeyReference{Name: "kubeconfig-" + name}}
	})
	z.keep(hr, reasons...)
	return hr
}
