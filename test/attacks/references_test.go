package attacks

import (
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/hostile"
)

// denied is the reason with which a reference to another namespace is refused.
func denied(kind string) []string {
	if kind == v1beta1.ReceiverKind {
		return []string{v1beta1.InvalidReferenceReason}
	}
	return []string{v1beta1.AccessDeniedReason}
}

// object is a manifest of a kind of Fairlead, with its spec.
func object(kind, name, spec string) string {
	return "apiVersion: fairlead.dev/v1beta1\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n"
}

// No field names what is in another namespace.
func TestReferences(t *testing.T) {
	const source = "chart: {spec: {chart: shop, sourceRef: {kind: HelmRepository, name: charts, namespace: $VICTIM}}}"
	const fine = "chart: {spec: {chart: mine, sourceRef: {kind: HelmRepository, name: charts}}}"
	const token = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: hook}\nstringData: {token: a-token-of-many-letters}\n"
	refs := []struct{ name, kind, spec string }{
		{"the chart is from the neighbor's repository", "HelmRelease", source},
		{"the chart is an artifact of the neighbor's", "HelmRelease",
			"chartRef: {kind: OCIRepository, name: charts, namespace: $VICTIM}"},
		{"the chart is a HelmChart of the neighbor's", "HelmRelease",
			"chartRef: {kind: HelmChart, name: charts, namespace: $VICTIM}"},
		{"a release depends on the neighbor's", "HelmRelease", fine + ", dependsOn: [{name: shop, namespace: $VICTIM}]"},
		{"an expression guesses at the neighbor's values", "HelmRelease",
			fine + ", dependsOn: [{name: shop, namespace: $VICTIM, readyExpr: \"dep.spec.values.password.startsWith('canary')\"}]"},
		{"an expression fails with the neighbor's values", "HelmRelease",
			fine + ", dependsOn: [{name: shop, namespace: $VICTIM, readyExpr: \"{'a': true}[dep.spec.values.password]\"}]"},
		{"an expression reads the neighbor's Secret", "HelmRelease",
			fine + ", dependsOn: [{apiVersion: v1, kind: Secret, name: vault, namespace: $VICTIM, readyExpr: \"dep.data.password.startsWith('Y')\"}]"},
		{"a directory is from the neighbor's repository", "Kustomization",
			"prune: true, sourceRef: {kind: GitRepository, name: fleet, namespace: $VICTIM}"},
		{"a directory depends on the neighbor's release", "Kustomization",
			"prune: true, sourceRef: {kind: GitRepository, name: fleet}, dependsOn: [{apiVersion: fairlead.dev/v1beta1, kind: HelmRelease, name: shop, namespace: $VICTIM}]"},
		{"a Receiver asks for the neighbor's repository", "Receiver",
			"type: generic, secretRef: {name: hook}, resources: [{kind: HelmRepository, name: charts, namespace: $VICTIM}]"},
	}
	for _, ref := range refs {
		manifest := object(ref.kind, "web", ref.spec)
		if ref.kind == "Receiver" {
			manifest += token
		}
		play(t, attack{
			name: ref.name, charts: charts(mine()), tree: map[string]string{"a.yaml": hostile.Config("a")}, objects: manifest,
			refused: ref.kind + "/web", reasons: denied(ref.kind), says: []string{"namespace"}, absent: nothingAsked,
		})
	}
	play(t, attack{
		name: "a health check reads the neighbor's release", tree: map[string]string{"a.yaml": hostile.Config("b")},
		refused: "Kustomization/apps",
		spec:    "  timeout: 5s\n  healthChecks: [{apiVersion: fairlead.dev/v1beta1, kind: HelmRelease, name: shop, namespace: $VICTIM}]\n",
		reasons: []string{v1beta1.UnhealthyReason}, says: []string{"is forbidden"},
	})
}

// nothingAsked checks that no object of the neighbor's was touched on behalf of the tenant.
func nothingAsked(t *testing.T, s *scene) {
	t.Helper()
	nothingStolen(t, s)
	repository := &unstructured.Unstructured{}
	repository.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(v1beta1.HelmRepositoryKind))
	if err := world.cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: victim, Name: "charts"},
		repository); err != nil {
		t.Fatal(err)
	}
	for key := range repository.GetAnnotations() {
		if strings.HasPrefix(key, v1beta1.GroupVersion.Group) {
			t.Errorf("the neighbor's repository has the annotation %s", key)
		}
	}
}

// No field for the name of a Secret or a ServiceAccount takes a namespace.
func TestNamesOfOtherNamespaces(t *testing.T) {
	const fine = "chart: {spec: {chart: mine, sourceRef: {kind: HelmRepository, name: charts}}}"
	const vault = "{name: vault, namespace: $VICTIM}"
	for name, manifest := range map[string]string{
		"values from the neighbor's Secret": object("HelmRelease", "web",
			fine+", valuesFrom: [{kind: Secret, name: vault, namespace: $VICTIM}]"),
		"a kubeconfig from the neighbor's Secret": object("HelmRelease", "web",
			fine+", kubeConfig: {secretRef: "+vault+"}"),
		"credentials from the neighbor's Secret": object("GitRepository", "web",
			"url: 'http://$HOST/x', secretRef: "+vault),
		"a proxy from the neighbor's Secret": object("OCIRepository", "web",
			"url: 'oci://$HOST/x', proxySecretRef: "+vault),
		"variables from the neighbor's Secret": kustomization("web",
			"  postBuild: {substituteFrom: [{kind: Secret, name: vault, namespace: $VICTIM}]}\n"),
		"keys from the neighbor's Secret": kustomization("web",
			"  decryption: {provider: sops, secretRef: "+vault+"}\n"),
		"a token from the neighbor's Secret": object("Receiver", "web",
			"type: generic, secretRef: "+vault+", resources: [{kind: HelmRepository, name: charts}]"),
		"signatures by keys of the neighbor's": object("GitRepository", "web",
			"url: 'http://$HOST/x', verify: {mode: HEAD, secretRef: "+vault+"}"),
		"the certificate of the neighbor's": object("HelmRepository", "web",
			"url: 'http://$HOST/x', certSecretRef: "+vault),
		"the source of a HelmChart of the neighbor's": object("HelmChart", "web",
			"chart: shop, sourceRef: {kind: HelmRepository, name: charts, namespace: $VICTIM}"),
	} {
		play(t, attack{name: name, charts: charts(mine()), objects: manifest, admission: "namespace"})
	}
	for name, account := range map[string]string{
		"the neighbor's ServiceAccount by its path": "$VICTIM/default",
		"the neighbor's ServiceAccount by its user": "system:serviceaccount:$VICTIM:default",
		"the ServiceAccount by a way up":            "../$VICTIM/default", "the controller's own user": "system:masters",
	} {
		play(t, attack{name: name, charts: charts(mine()), objects: object("HelmRelease", "web",
			fine+", serviceAccountName: '"+account+"'"),
			refused: "HelmRelease/web", reasons: []string{v1beta1.AccessDeniedReason, v1beta1.InvalidReferenceReason}})
	}
}

// What the tenant names exists in the neighbor's namespace only.
func TestNamesThatTheNeighborHas(t *testing.T) {
	const fine = "chart: {spec: {chart: mine, sourceRef: {kind: HelmRepository, name: charts}}}"
	play(t,
		attack{name: "values from a Secret that the neighbor has", charts: charts(mine()), objects: object("HelmRelease",
			"web", fine+", valuesFrom: [{kind: Secret, name: vault}]"),
			refused: "HelmRelease/web", reasons: []string{v1beta1.ValuesErrorReason}, says: []string{"attacker/vault"}},
		attack{name: "variables from a Secret that the neighbor has", tree: map[string]string{"a.yaml": hostile.Config("a")},
			spec:    "  postBuild: {substituteFrom: [{kind: Secret, name: vault}]}\n",
			reasons: []string{v1beta1.SubstitutionFailedReason}, says: []string{"vault"}},
		attack{name: "credentials from a Secret that the neighbor has", charts: charts(mine()), refused: "HelmRepository/web",
			objects: object("HelmRepository", "web", "url: '$CHARTS', secretRef: {name: vault}"),
			reasons: []string{v1beta1.AuthenticationFailedReason}, says: []string{"attacker/vault"}},
	)
}

// Neither the metadata services of clouds nor what is beside the controller is an upstream.
func TestInternalServices(t *testing.T) {
	for name, manifest := range map[string]string{
		"a chart repository is a metadata service": object("HelmRepository", "web", "url: 'http://169.254.169.254/latest'"),
		"a Git server is a metadata service":       object("GitRepository", "web", "url: 'http://169.254.169.254/latest'"),
		"a registry is a metadata service": object("OCIRepository", "web",
			"url: 'oci://169.254.169.254/latest', insecure: true"),
		"an address in IPv6 is a metadata service": object("HelmRepository", "web",
			"url: 'http://[::ffff:169.254.169.254]/latest'"),
	} {
		kind := strings.Fields(strings.SplitN(manifest, "kind: ", 2)[1])[0]
		play(t, attack{name: name, objects: manifest, refused: kind + "/web", reasons: []string{v1beta1.URLInvalidReason,
			v1beta1.FetchFailedReason}, says: []string{"169.254.169.254"}})
	}
	for name, manifest := range map[string]string{
		"a chart repository is an internal service": object("HelmRepository", "web", "url: 'http://$HOST/internal'"),
		"a Git server is an internal service":       object("GitRepository", "web", "url: 'http://$HOST/internal'"),
		"a registry is an internal service": object("OCIRepository", "web",
			"url: 'oci://$HOST/internal', insecure: true"),
		"a bucket is an internal service": object("Bucket", "web",
			"endpoint: '$HOST', bucketName: internal, insecure: true"),
		"a proxy is an internal service": object("GitRepository", "web",
			"url: 'http://example.com/x', proxySecretRef: {name: proxy}") +
			"---\napiVersion: v1\nkind: Secret\nmetadata: {name: proxy}\nstringData: {address: 'http://$HOST'}\n",
	} {
		kind := strings.Fields(strings.SplitN(manifest, "kind: ", 2)[1])[0]
		play(t, attack{name: name, objects: manifest, refused: kind + "/web", reasons: []string{v1beta1.URLInvalidReason,
			v1beta1.FetchFailedReason}, says: []string{internalAddress}})
	}
	play(t, attack{name: "a chart repository redirects to a metadata service", refused: "HelmRepository/charts",
		objects: helmRelease("web", "mine", ""),
		intercept: func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
			return true
		},
		reasons: []string{v1beta1.URLInvalidReason, v1beta1.FetchFailedReason}, says: []string{"169.254.169.254"}})
}
