package integration

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"fairlead.dev/fairlead/api/v1beta1"
)

// kubeconfigFor is one for a server, with a user.
func kubeconfigFor(server, user string) string {
	return "apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n" +
		"clusters: [{name: c, cluster: {server: '" + server + "'}}]\nusers: [{name: u, user: {" + user + "}}]\n"
}

// The credentials in a kubeconfig are shown nowhere, whatever its server does with them.
func TestAKubeconfigIsShownNowhere(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	const clientKey = "-----BEGIN PRIVATE KEY-----\n" + canary + "\n-----END PRIVATE KEY-----\n"
	said := func(r *http.Request) string {
		sent := r.Header.Get("Authorization")
		return strings.Join(
			[]string{sent, canary, url.QueryEscape(canary), base64.StdEncoding.EncodeToString([]byte(canary))}, " and ")
	}
	repeats := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Warning", fmt.Sprintf("299 - %q", said(r)))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(
			metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
				Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "no rights with " + said(r)})
	}))
	t.Cleanup(repeats.Close)
	breaks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Warning", fmt.Sprintf("299 - %q", said(r)))
		http.Error(w, said(r), http.StatusInternalServerError)
	}))
	t.Cleanup(breaks.Close)
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	kubeconfigs := map[string]string{
		"repeats":  kubeconfigFor(repeats.URL, "token: '"+canary+"'"),
		"signs-in": kubeconfigFor(repeats.URL, "username: robot, password: '"+canary+"'"),
		"breaks":   kubeconfigFor(breaks.URL, "token: '"+canary+"'"),
		"tls":      kubeconfigFor(untrusted.URL, "token: '"+canary+"'"),
		"refuses":  kubeconfigFor("https://127.0.0.1:1", "token: '"+canary+"'"),
		"key": kubeconfigFor("https://127.0.0.1:1",
			"client-certificate-data: "+base64.StdEncoding.EncodeToString([]byte("none"))+
				", client-key-data: "+base64.StdEncoding.EncodeToString([]byte(clientKey))),
		"none": "users: [*" + canary,
	}
	fleet(t, ns,
		map[string]string{"plain/a.yaml": settings("a", "one"),
			"charts/web/Chart.yaml":       "apiVersion: v2\nname: web\nversion: 1.0.0\n",
			"charts/web/templates/a.yaml": settings("a", "one")})
	failed := func(ready metav1.Condition) bool {
		return ready.Status == metav1.ConditionFalse && ready.Reason != v1beta1.SourceNotReadyReason && ready.Message != ""
	}
	var applied []*v1beta1.Kustomization
	var released []*v1beta1.HelmRelease
	for name, content := range kubeconfigs {
		remote := &v1beta1.KubeConfigReference{SecretRef: &v1beta1.SecretKeyReference{Name: name}}
		k := kustomization(ns, name, "plain", func(s *v1beta1.KustomizationSpec) { s.KubeConfig = remote })
		hr := release(ns, name, "./charts/web", "", "fleet", "")
		hr.Spec.Chart.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind
		hr.Spec.KubeConfig = remote
		apply(t, &corev1.Secret{ObjectMeta: named(ns, name), StringData: map[string]string{"value": content}}, k, hr)
		applied, released = append(applied, k), append(released, hr)
	}
	for i := range applied {
		world.cluster.AwaitReadiness(t, applied[i], "the Kustomization cannot be applied", failed)
		until(t, "the status of the release or the log says why it cannot be installed", func() bool {
			text, err := os.ReadFile(world.controller.Log)
			if err != nil {
				t.Fatal(err)
			}
			logged := regexp.MustCompile(`(?m)^\{"time".*"level":"(WARN|ERROR)".*"HelmRelease":\{"name":"` + released[i].Name +
				`","namespace":"` + ns + `"`).Match(text)
			return logged || condition(t, released[i], v1beta1.ReadyCondition).Status == metav1.ConditionFalse
		})
	}
	shownNowhere(t, ns, canary)
}

// Neither what was encrypted nor the keys are shown: with a wrong key, a broken file, and an API server that refuses
// what was decrypted.
func TestEncryptedFilesAreShownNowhere(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	const password = "correct horse" // in the file
	file, key := encryptedFile(t, "secret.yaml"), strings.TrimSpace(encryptedFile(t, "key.agekey"))
	wrong := "AGE-SECRET-KEY-" + canary
	fleet(t, ns, map[string]string{"right/a.yaml": file, "broken/a.yaml": strings.Replace(file, "9Y8+", "9Y9+", 1)})
	// The API server refuses a change of what is immutable.
	apply(t, &corev1.Secret{
		ObjectMeta: named(ns, "db"), StringData: map[string]string{"password": "another"}, Immutable: ptr.To(true),
	},
		&corev1.Secret{ObjectMeta: named(ns, "right"), StringData: map[string]string{"age.agekey": key}},
		&corev1.Secret{ObjectMeta: named(ns, "wrong"), StringData: map[string]string{"age.agekey": wrong, "pgp.asc": canary}})
	for _, tt := range []struct{ name, path, keys, reason string }{
		{"wrong", "right", "wrong", v1beta1.DecryptionFailedReason},
		{"broken", "broken", "right", v1beta1.DecryptionFailedReason},
		{"refused", "right", "right", v1beta1.ValidationFailedReason},
	} {
		k := kustomization(ns, tt.name, tt.path, func(s *v1beta1.KustomizationSpec) {
			s.Decryption = &v1beta1.Decryption{Provider: "sops", SecretRef: &v1beta1.LocalObjectReference{Name: tt.keys}}
		})
		apply(t, k)
		awaitNotReady(t, k, tt.reason)
	}
	shownNowhere(t, ns, canary, key[strings.Index(key, "AGE-SECRET-KEY-"):])
	texts := mustRun(t, "kubectl", "get", ownKinds+",events", "-n", ns, "-o", "yaml")
	for _, said := range []string{password, strings.ToUpper(password), url.QueryEscape(password), url.PathEscape(password),
		hex.EncodeToString([]byte(password)), base64.StdEncoding.EncodeToString([]byte(password))} {
		if strings.Contains(texts, said) {
			t.Errorf("%q is shown:\n%s", said, around(texts, said))
		}
	}
}

// The token of a Receiver is shown nowhere, and in no answer, whatever a call claims.
func TestATokenOfAReceiverIsShownNowhere(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	apply(t, &corev1.Secret{ObjectMeta: named(ns, "hook"), StringData: map[string]string{"token": canary}})
	for _, kind := range []string{
		v1beta1.ReceiverGeneric, v1beta1.ReceiverHMAC, v1beta1.ReceiverGitHub, v1beta1.ReceiverGitLab,
	} {
		hub := receiver(ns, kind, v1beta1.ReceiverResource{Kind: v1beta1.GitRepositoryKind, Name: "none"})
		apply(t, hub)
		awaitReady(t, hub)
		path := get(t, hub).Status.WebhookPath
		for _, sent := range []string{
			"", canary, base64.StdEncoding.EncodeToString([]byte(canary)), "sha256=" + hex.EncodeToString([]byte(canary)),
		} {
			for _, header := range []string{"X-Gitlab-Token", "X-Signature", "X-Hub-Signature-256", "Authorization"} {
				if answer := answerOf(t, path, header, sent); showsOf(answer, canary) != "" {
					t.Errorf("%s with %s %q answers %s", kind, header, sent, answer)
				}
			}
		}
	}
	shownNowhere(t, ns, canary)
}

// answerOf calls a Receiver with a header and returns the whole answer.
func answerOf(t *testing.T, path, header, sent string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, world.controller.Hooks+path,
		strings.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(header, sent)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(response.Status, response.Header, string(body))
}
