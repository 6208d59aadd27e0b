package attacks

import (
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/hostile"
)

// forbidden is the reason with which an object is refused that the tenant may not have.
var forbidden = []string{v1beta1.AccessDeniedReason}

const (
	clusterRole = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: stolen}
rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]
`
	clusterRoleBinding = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: stolen}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: default, namespace: attacker}]
`
	roleBinding = `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: stolen}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: default, namespace: attacker}]
`
	webhook = `apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: stolen}
webhooks:
  - name: a.example.com
    admissionReviewVersions: [v1]
    sideEffects: None
    failurePolicy: Ignore
    clientConfig: {url: 'https://127.0.0.1:1/'}
    rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [podtemplates]}]
`
	definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.stolen.example.com}
spec:
  group: stolen.example.com
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`
	space = `apiVersion: v1
kind: Namespace
metadata: {name: stolen}
`
	elsewhere = `apiVersion: v1
kind: ConfigMap
metadata: {name: stolen, namespace: neighbor}
data: {a: b}
`
	takeover = `apiVersion: v1
kind: ConfigMap
metadata: {name: shop, namespace: neighbor}
data: {message: taken}
`
	hook = `apiVersion: v1
kind: ConfigMap
metadata: {name: stolen, namespace: neighbor, annotations: {helm.sh/hook: pre-install}}
data: {a: b}
`
	replacingHook = `apiVersion: v1
kind: ConfigMap
metadata:
  name: shop
  namespace: neighbor
  annotations: {helm.sh/hook: 'pre-install,test', helm.sh/hook-delete-policy: before-hook-creation}
data: {a: b}
`
	lookup = `apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {a: {{ (lookup "v1" "Secret" "neighbor" "vault").data.password | b64dec | quote }}}
`
)

// beyond are manifests of what the tenant may not have.
var beyond = map[string]string{
	"a ClusterRole": clusterRole, "a ClusterRoleBinding": clusterRoleBinding, "a RoleBinding to more rights": roleBinding,
	"an admission webhook":       webhook,
	"a CustomResourceDefinition": definition, "a Namespace": space, "an object in the neighbor's namespace": elsewhere,
	"the neighbor's object by its name": takeover,
}

// nothingBeyond checks that none of these exist.
func nothingBeyond(t *testing.T, _ *scene) {
	t.Helper()
	for _, of := range []struct{ apiVersion, kind, namespace, name string }{
		{rbacv1.SchemeGroupVersion.String(), "ClusterRole", "", "stolen"}, {rbacv1.SchemeGroupVersion.String(),
			"ClusterRoleBinding", "", "stolen"},
		{rbacv1.SchemeGroupVersion.String(), "RoleBinding", attacker, "stolen"}, {"v1", "Namespace", "", "stolen"}, {"v1",
			"ConfigMap", victim, "stolen"},
		{"admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", "stolen"},
		{"apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "things.stolen.example.com"},
	} {
		object := &unstructured.Unstructured{}
		object.SetAPIVersion(of.apiVersion)
		object.SetKind(of.kind)
		object.SetNamespace(of.namespace)
		object.SetName(of.name)
		if world.cluster.Exists(t, object) {
			t.Errorf("the tenant has %s %s", of.kind, of.name)
			_ = world.cluster.Client.Delete(t.Context(), object)
		}
	}
}

// A chart or a directory brings no object that the tenant may not create itself.
func TestObjectsBeyondTheTenant(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(beyond)) {
		manifest := beyond[name]
		play(t,
			attack{name: "a chart has " + name, charts: charts(hostile.Chart("beyond", "templates/a.yaml", manifest)),
				reasons: forbidden, absent: nothingBeyond},
			attack{name: "a directory has " + name, tree: map[string]string{"a.yaml": manifest},
				reasons: forbidden, absent: nothingBeyond},
		)
	}
	play(t,
		attack{name: "a chart has a definition in crds", charts: charts(hostile.Chart("beyond", "crds/a.yaml", definition)),
			reasons: forbidden, absent: nothingBeyond},
		attack{name: "a chart has a hook in the neighbor's namespace", charts: charts(hostile.Chart("beyond",
			"templates/a.yaml", hook)), reasons: forbidden, says: []string{"is forbidden"}, absent: nothingBeyond},
		attack{name: "a hook replaces the neighbor's object", charts: charts(hostile.Chart("beyond", "templates/a.yaml",
			replacingHook)), reasons: forbidden, says: []string{"is forbidden"}, absent: nothingBeyond},
		attack{name: "a template looks up the neighbor's Secret", charts: charts(hostile.Chart("beyond", "templates/a.yaml",
			lookup)),
			reasons: []string{v1beta1.RenderFailedReason}, says: []string{"is forbidden"}, absent: nothingStolen},
		attack{name: "a release is installed into the neighbor's namespace", charts: charts(hostile.Chart("beyond",
			"templates/a.yaml", hostile.Config("stolen"))),
			spec: "  targetNamespace: $VICTIM\n", reasons: forbidden, absent: nothingBeyond},
		attack{name: "a release creates a namespace", charts: charts(hostile.Chart("beyond", "templates/a.yaml",
			hostile.Config("stolen"))),
			spec: "  targetNamespace: stolen\n  install: {createNamespace: true}\n", reasons: forbidden,
			absent: nothingBeyond},
		attack{name: "a directory is applied to the neighbor's namespace",
			tree: map[string]string{"a.yaml": hostile.Config("stolen")},
			spec: "  targetNamespace: $VICTIM\n", reasons: forbidden, absent: nothingBeyond},
		attack{name: "a post renderer moves an object", charts: charts(hostile.Chart("beyond", "templates/a.yaml",
			hostile.Config("stolen"))), reasons: forbidden, absent: nothingBeyond,
			spec: "  postRenderers: [{kustomize: {patches: [{target: {kind: ConfigMap}, patch: '[{op: add, path: /metadata/namespace, value: $VICTIM}]'}]}}]\n"},
	)
}

// Two Kustomizations of tenants that name the neighbor's object do not keep the neighbor from applying it.
func TestAClaimOnTheNeighborsName(t *testing.T) {
	play(t, attack{
		name: "a directory claims a name before its rights are checked",
		tree: map[string]string{
			"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: reserved, namespace: neighbor}\ndata: {a: taken}\n",
		},
		spec: "  timeout: 5m\n", reasons: forbidden,
		absent: func(t *testing.T, s *scene) {
			t.Helper()
			object := &corev1.ConfigMap{ObjectMeta: named("reserved")}
			if world.cluster.Exists(t, object) {
				t.Error("the object exists")
			}
			applied := map[string]string{"reserved/a.yaml": hostile.Config("reserved")}
			if _, err := world.git.Commit(s.repo, "main", applied, "what the neighbor has"); err != nil {
				t.Fatal(err)
			}
			objects := s.text(`
apiVersion: fairlead.dev/v1beta1
kind: GitRepository
metadata: {name: reserved}
spec: {url: "$GIT", ref: {branch: main}}
---
apiVersion: fairlead.dev/v1beta1
kind: Kustomization
metadata: {name: reserved}
spec: {sourceRef: {kind: GitRepository, name: reserved}, path: reserved, prune: true}
`)
			if err := world.neighbor.declare(t.Context(), objects); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the neighbor's Kustomization has applied its object", func() bool {
				return world.cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object) == nil
			})
			forget(t, v1beta1.KustomizationKind, "reserved")
			forget(t, v1beta1.GitRepositoryKind, "reserved")
		},
	})
}

// forget deletes an object of the neighbor's and waits until it is gone.
func forget(t *testing.T, kind, name string) {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(kind))
	object.SetNamespace(victim)
	object.SetName(name)
	if err := world.cluster.Client.Delete(t.Context(), object); err != nil {
		t.Error(err)
	}
	eventually(t, kind+" "+name+" is gone", func() bool { return !world.cluster.Exists(t, object) })
}
