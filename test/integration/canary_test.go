package integration

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// canary is a secret that nothing else has, and that is no base64.
const canary = "hunter2!Canary-9f3c-of-team"

// shows returns what of the canary is in a text, in one of the usual encodings; empty for nothing.
func shows(text string) string { return showsOf(text, canary) }

// showsOf is shows for another secret of at least 26 bytes.
func showsOf(text, secret string) string {
	for _, part := range []string{secret[:10], secret[8:18], secret[16:26]} {
		traces := []string{part, strings.ToUpper(part), strings.ToLower(part), hex.EncodeToString([]byte(part))}
		for shift := range 3 {
			encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), part...))
			traces = append(traces, encoded[(shift*8+5)/6:(shift+len(part))*8/6])
		}
		for _, trace := range traces {
			if strings.Contains(text, trace) {
				return trace
			}
		}
	}
	return ""
}

// A value of a wrong type in a Secret shows up nowhere: not in the object, its events, the log or the record of the
// release.
func TestAWrongValueOfASecretIsShownNowhere(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	const head = "apiVersion: v1\nkind: Secret\nmetadata: {name: wrong}\n"
	faults := map[string]string{
		"nested":  head + "data: {password: {nested: \"VALUE\"}}\n",
		"listed":  head + "stringData: {password: [\"VALUE\"]}\n",
		"encoded": head + "data: {password: \"VALUE\"}\n",
		"mapped":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: wrong}\ndata: {password: {nested: \"VALUE\"}}\n",
		"broken":  head + "data: {password: *VALUE}\n",
	}
	files := map[string]string{}
	for name, fault := range faults {
		if name != "broken" {
			files["plain/"+name+"/a.yaml"] = strings.ReplaceAll(fault, "VALUE", "${password}")
		}
		files["charts/"+name+"/Chart.yaml"] = "apiVersion: v2\nname: " + name + "\nversion: 1.0.0\n"
		files["charts/"+name+"/templates/a.yaml"] = strings.ReplaceAll(fault, "VALUE", "{{ .Values.password }}")
	}
	fleet(t, ns, files)
	plant(t, ns)
	var kinds []string
	for name := range faults {
		hr := release(ns, name, "./charts/"+name, "", "fleet", "")
		hr.Spec.Chart.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind
		hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "credentials"}}
		apply(t, hr)
		if _, plain := files["plain/"+name+"/a.yaml"]; plain {
			k := kustomization(ns, name, "plain/"+name, func(s *v1beta1.KustomizationSpec) {
				s.PostBuild = &v1beta1.PostBuild{SubstituteFrom: []v1beta1.SubstituteReference{{Kind: "Secret", Name: "variables"}}}
			})
			apply(t, k)
			kinds = append(kinds, name)
		}
	}
	failed := func(ready metav1.Condition) bool {
		return ready.Status == metav1.ConditionFalse && ready.Reason != v1beta1.SourceNotReadyReason
	}
	for name := range faults {
		hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
		world.cluster.AwaitReadiness(t, hr, "the release fails", failed)
	}
	for _, name := range kinds {
		world.cluster.AwaitReadiness(t, kustomization(ns, name, ""), "the Kustomization fails", failed)
	}
	shownNowhere(t, ns, canary)
	described(t, ns)
}

// around is the part of a text in which something was found.
func around(text, found string) string {
	at := strings.Index(text, found)
	return text[max(0, at-300):min(len(text), at+300)]
}

// described looks at what the records of a namespace say of failures.
func described(t *testing.T, ns string) {
	t.Helper()
	list := &corev1.SecretList{}
	if err := world.cluster.Client.List(t.Context(), list, client.InNamespace(ns),
		client.MatchingLabels{"owner": "helm"}); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) == 0 {
		t.Error("there is no record to look at")
	}
	for _, secret := range list.Items {
		packed, err := base64.StdEncoding.DecodeString(string(secret.Data["release"]))
		if err != nil {
			t.Fatal(err)
		}
		zipped, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(zipped)
		if err != nil {
			t.Fatal(err)
		}
		var record struct {
			Info struct {
				Description string `json:"description"`
			} `json:"info"`
		}
		if err := json.Unmarshal(content, &record); err != nil {
			t.Fatal(err)
		}
		if trace := shows(record.Info.Description); trace != "" || record.Info.Description == "" {
			t.Errorf("%s shows %q of a secret: %s", secret.Name, trace, record.Info.Description)
		}
	}
}

// The records of another namespace are for those who may read its Secrets.
func TestRecordsOfAnotherNamespaceNeedTheRightToReadThem(t *testing.T) {
	t.Parallel()
	victim, evil := namespace(t), "tenant-of-other-records"
	apply(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: evil}})
	registrySample(t, victim, "1.0.0")
	theirs := release(victim, "web", "sample", "1.0.0", "charts", `{"message":"of the victim"}`)
	apply(t, theirs)
	awaitVersion(t, theirs, "1.0.0")

	registrySample(t, evil, "1.0.0")
	for _, name := range []string{"tenant", "trusted"} {
		apply(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: evil, Name: name}})
		everything(t, evil, evil, name)
	}
	everything(t, victim, evil, "trusted")
	hr := release(evil, "web", "sample", "1.0.0", "charts", "")
	hr.Spec.ServiceAccountName, hr.Spec.StorageNamespace, hr.Spec.TargetNamespace = "tenant", victim, victim
	apply(t, hr)
	ready := awaitNotReady(t, hr, v1beta1.AccessDeniedReason)
	for _, part := range []string{"system:serviceaccount:" + evil + ":tenant", victim, "secrets"} {
		if !strings.Contains(ready.Message, part) {
			t.Errorf("the message does not say %q: %s", part, ready.Message)
		}
	}
	got := get(t, hr)
	if len(got.Status.History) > 0 || strings.Contains(ready.Message, "sha256") ||
		strings.Contains(ready.Message, "1.0.0") {
		t.Errorf("something of the records is shown: %+v, %s", got.Status.History, ready.Message)
	}

	mine := release(evil, "mine", "sample", "1.0.0", "charts", "")
	mine.Spec.ServiceAccountName, mine.Spec.StorageNamespace = "trusted", victim
	apply(t, mine)
	awaitVersion(t, mine, "1.0.0")
}

// everything lets a ServiceAccount do everything in a namespace.
func everything(t *testing.T, ns, of, account string) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: ns, Name: "everything-" + account}
	apply(t, &rbacv1.Role{
		ObjectMeta: meta,
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}},
	},
		&rbacv1.RoleBinding{ObjectMeta: meta,
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: of, Name: account}}})
}
