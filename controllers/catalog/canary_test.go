package catalog

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// canary is a credential that nothing else has, with characters that encodings write in their own way.
const canary = `hunter2"Canary&9f3c<of-team>+K7`

// traces are parts of the canary in the usual encodings.
func traces() []string {
	var out []string
	for _, part := range []string{canary[:7], canary[8:14], canary[15:19], canary[20:27]} {
		out = append(out, part, strings.ToUpper(part), strings.ToLower(part), hex.EncodeToString([]byte(part)),
			strings.ToUpper(hex.EncodeToString([]byte(part))))
		for shift := range 3 {
			encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), part...))
			out = append(out, encoded[(shift*8+5)/6:(shift+len(part))*8/6])
		}
	}
	return slices.DeleteFunc(out, func(trace string) bool { return len(trace) < 4 })
}

// encodings are the ways in which an upstream may repeat the canary.
func encodings() []string {
	asJSON, _ := json.Marshal(canary)
	return []string{
		canary, strings.ToUpper(canary), strings.ToLower(canary), strconv.Quote(canary), string(asJSON),
		url.QueryEscape(canary), url.PathEscape(canary), url.UserPassword("robot", canary).String(),
		hex.EncodeToString([]byte(canary)), strings.ToUpper(hex.EncodeToString([]byte(canary))),
		base64.StdEncoding.EncodeToString([]byte(canary)), base64.RawURLEncoding.EncodeToString([]byte(canary)),
		"Basic " + base64.StdEncoding.EncodeToString([]byte("robot:"+canary)), "Bearer " + canary,
		canary[:12] + "...", strings.Repeat("x", 480) + canary,
	}
}

// answers are how an upstream repeats the credential that it was sent, in one encoding.
var answers = map[string]func(w http.ResponseWriter, r *http.Request, said string){
	"an error": func(w http.ResponseWriter, _ *http.Request, said string) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("WWW-Authenticate", `Basic realm=`+strconv.Quote(said))
		w.WriteHeader(http.StatusUnauthorized)
		code := map[string]any{
			"code": "DENIED " + said, "message": "no entry for " + said, "detail": map[string]string{"sent": said},
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{code}})
	},
	"a refusal": func(w http.ResponseWriter, _ *http.Request, said string) {
		w.WriteHeader(http.StatusBadRequest) // it is not tried again
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", said, said)
	},
	"a challenge to ask elsewhere": func(w http.ResponseWriter, _ *http.Request, said string) {
		w.Header().Set("WWW-Authenticate",
			`Bearer realm="http://169.254.169.254/`+url.PathEscape(said)+`?a=`+url.QueryEscape(said)+`",service=`+
				strconv.Quote(said))
		w.WriteHeader(http.StatusUnauthorized)
	},
	"a redirect": func(w http.ResponseWriter, r *http.Request, said string) {
		http.Redirect(w, r, "http://169.254.169.254/"+url.PathEscape(said)+"/x?token="+url.QueryEscape(said),
			http.StatusFound)
	},
	"a redirect to nowhere": func(w http.ResponseWriter, _ *http.Request, said string) {
		w.Header().Set("Location", "http://"+said+".invalid:port/")
		w.WriteHeader(http.StatusFound)
	},
	"garbage": func(w http.ResponseWriter, r *http.Request, said string) {
		w.Header().Set("Content-Type", "application/"+url.PathEscape(said))
		w.Header().Set("Docker-Content-Digest", "sha256:"+url.PathEscape(said))
		_, _ = fmt.Fprintf(w, "apiVersion: v1\nentries: {web: [*%s, %s]}\n", said, said)
	},
	"an error of Git": func(w http.ResponseWriter, r *http.Request, said string) {
		w.Header().Set("Content-Type", "application/x-"+r.URL.Query().Get("service")+"-advertisement")
		line := "ERR access denied to " + said + "\n"
		_, _ = fmt.Fprintf(w, "001e# service=git-upload-pack\n0000%04x%s", len(line)+4, line)
	},
}

// secretOf is a Secret that holds the canary.
func secretOf(name string, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name, UID: "s"}, Data: map[string][]byte{}}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	return s
}

// sourcesAt are sources of every kind that reach a server with credentials, or with those of a proxy.
func sourcesAt(server, secret, proxy string) map[string]Object {
	host := strings.TrimPrefix(server, "http://")
	meta := metav1.ObjectMeta{Namespace: "apps", Name: "charts", UID: "u1", Generation: 1}
	ref := func(name string) *v1beta1.LocalObjectReference {
		if name == "" {
			return nil
		}
		return &v1beta1.LocalObjectReference{Name: name}
	}
	index := &v1beta1.HelmRepository{
		ObjectMeta: meta, Spec: v1beta1.HelmRepositorySpec{URL: server, SecretRef: ref(secret)},
	}
	registry := index.DeepCopy()
	registry.Spec.Type, registry.Spec.URL, registry.Spec.Insecure = v1beta1.HelmRepositoryTypeOCI, "oci://"+host+
		"/charts", true
	oci := &v1beta1.OCIRepository{ObjectMeta: meta}
	oci.Spec.URL, oci.Spec.Insecure, oci.Spec.SecretRef, oci.Spec.ProxySecretRef = "oci://"+host+
		"/charts/web", true, ref(secret), ref(proxy)
	git := &v1beta1.GitRepository{ObjectMeta: meta}
	git.Spec.URL, git.Spec.SecretRef, git.Spec.ProxySecretRef = server+"/repository.git", ref(secret), ref(proxy)
	bucket := &v1beta1.Bucket{ObjectMeta: meta}
	bucket.Spec.Endpoint, bucket.Spec.BucketName, bucket.Spec.Insecure = host, "charts", true
	bucket.Spec.SecretRef, bucket.Spec.ProxySecretRef = ref(secret), ref(proxy)
	all := map[string]Object{
		v1beta1.HelmRepositoryKind: index, "registry": registry, v1beta1.OCIRepositoryKind: oci,
		v1beta1.GitRepositoryKind: git, v1beta1.BucketKind: bucket,
	}
	if proxy != "" {
		delete(all, v1beta1.HelmRepositoryKind) // these have no proxy
		delete(all, "registry")
	}
	return all
}

// told returns everything that a poll reports: about the source, and about the chart that was asked of it.
func told(t *testing.T, c *Catalog, source v1beta1.Source) string {
	t.Helper()
	poll, kind := map[string]poller{
		v1beta1.HelmRepositoryKind: c.pollHelmRepository, v1beta1.OCIRepositoryKind: c.pollOCIRepository,
		v1beta1.GitRepositoryKind: c.pollGitRepository, v1beta1.BucketKind: c.pollBucket,
	}, kindOf(source)
	choice := ChartRef{Kind: kind, Namespace: "apps", Name: "charts", Chart: "web", Version: "*"}
	found := redacting(poll[kind])(t.Context(), source, []ChartRef{choice})
	answer, _ := c.pick(t.Context(), choice, source)
	text := fmt.Sprintf("%s %v %v", found.Message, found.Warnings, found.Artifact)
	for _, err := range []error{found.Err, answer.err} {
		if err != nil {
			text += " " + err.Error() + " " + FailureOf(err).Message
		}
	}
	if found.Err == nil && answer.err == nil {
		t.Errorf("%s can be read: %+v", kind, found)
	}
	return text
}

func kindOf(source v1beta1.Source) string {
	switch source.(type) {
	case *v1beta1.OCIRepository:
		return v1beta1.OCIRepositoryKind
	case *v1beta1.GitRepository:
		return v1beta1.GitRepositoryKind
	case *v1beta1.Bucket:
		return v1beta1.BucketKind
	default:
		return v1beta1.HelmRepositoryKind
	}
}

func checkTold(t *testing.T, where, text string) {
	t.Helper()
	for _, trace := range traces() {
		if at := strings.Index(text, trace); at >= 0 {
			t.Errorf("%s: %q of the credential is shown: %s", where, trace, text[max(0, at-150):min(len(text), at+100)])
			return
		}
	}
}

// An upstream, or a proxy on the way to it, that repeats the credential it was sent brings it into no message, in no
// encoding.
func TestUpstreamsThatRepeatCredentials(t *testing.T) {
	t.Parallel()
	secrets := []*corev1.Secret{
		secretOf("basic",
			map[string]string{"username": "robot", "password": canary + "\n", "accesskey": "robot", "secretkey": canary}),
		secretOf("bearer", map[string]string{"bearerToken": canary}),
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, said := range encodings() {
				var asked atomic.Int64
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					first := asked.Add(1) == 1
					if first && r.Header.Get("Authorization") == "" && r.Header.Get("Proxy-Authorization") == "" {
						w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					answer(w, r, said)
				}))
				proxy := secretOf("proxy", map[string]string{"address": server.URL, "username": "robot", "password": canary})
				for _, secret := range secrets {
					for kind, source := range sourcesAt(server.URL, secret.Name, "") {
						if secret.Name == "bearer" && kind != v1beta1.GitRepositoryKind {
							continue // others have no tokens
						}
						asked.Store(0)
						c := newCatalog(t, secret, source)
						checkTold(t, kind+" with "+secret.Name, told(t, c, source))
					}
				}
				for kind, source := range sourcesAt("http://127.0.0.2:1", "", "proxy") {
					c := newCatalog(t, proxy, source)
					checkTold(t, kind+" through a proxy", told(t, c, source))
				}
				server.Close()
			}
		})
	}
}

// lockedIdentity is a private key of SSH that another password than the canary unlocks.
func lockedIdentity(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("another password"))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

// A Secret with something else in it than it should have is not quoted.
func TestSecretsThatCannotBeUsedAreNotQuoted(t *testing.T) {
	t.Parallel()
	almost := "-----BEGIN PRIVATE KEY-----\n" + base64.StdEncoding.EncodeToString([]byte(canary)) +
		"\n-----END PRIVATE KEY-----\n"
	for name, data := range map[string]map[string]string{
		"a docker config that is none": {".dockerconfigjson": `{"auths": {"127.0.0.1:1": {"auth": "` + canary},
		"a docker config of other types": {".dockerconfigjson": `{"auths": {"127.0.0.1:1": {"auth": [` +
			strconv.Quote(canary) + `]}}}`},
		"a docker config without a name": {".dockerconfigjson": `{"auths": {"127.0.0.1:1": {"auth": ` +
			strconv.Quote(base64.StdEncoding.EncodeToString([]byte(canary))) + `}}}`},
		"a docker config for a host": {".dockerconfigjson": `{"auths": {"robot:` + strings.ReplaceAll(canary, `"`, "") +
			`@example.com": {"password": "x"}}}`},
		"a token with spaces":              {"bearerToken": canary + " x"},
		"a key that is none":               {"tls.crt": canary, "tls.key": canary},
		"a key that is almost one":         {"tls.crt": almost, "tls.key": almost},
		"authorities that are none":        {"ca.crt": canary},
		"a proxy that is none":             {"address": "http://robot:" + canary + "@127.0.0.1:port"},
		"a proxy with its own credentials": {"address": "http://robot:" + canary + "@127.0.0.1:1"},
		"a proxy with a strange scheme":    {"address": canary + "://127.0.0.1:1"},
		"an identity that is none":         {"identity": canary, "known_hosts": "127.0.0.1 ssh-ed25519 " + canary},
		"an identity that is almost one":   {"identity": almost, "known_hosts": canary},
		"an identity that is locked": {"identity": lockedIdentity(t), "password": canary,
			"known_hosts": "127.0.0.1 " + canary},
		"a password alone": {"password": canary, "secretkey": canary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := secretOf("secret", data)
			if data[".dockerconfigjson"] != "" {
				secret.Type = corev1.SecretTypeDockerConfigJson
			}
			proxied := sourcesAt("http://127.0.0.1:1", "secret", "secret")
			plain := sourcesAt("http://127.0.0.1:1", "secret", "")
			certificates := sourcesAt("http://127.0.0.1:1", "", "")
			index, oci := certificates[v1beta1.HelmRepositoryKind].(*v1beta1.HelmRepository), certificates[v1beta1.OCIRepositoryKind].(*v1beta1.OCIRepository)
			index.Spec.CertSecretRef = &v1beta1.LocalObjectReference{Name: "secret"}
			oci.Spec.CertSecretRef = index.Spec.CertSecretRef
			git := plain[v1beta1.GitRepositoryKind].DeepCopyObject().(*v1beta1.GitRepository)
			git.Spec.URL = "ssh://git@127.0.0.1:1/repository.git"
			all := []Object{git, index, oci}
			for _, some := range []map[string]Object{proxied, plain} {
				for _, source := range some {
					all = append(all, source)
				}
			}
			for _, source := range all {
				c := newCatalog(t, secret, source)
				checkTold(t, fmt.Sprintf("%T", source), told(t, c, source))
			}
		})
	}
}

// What is fetched again, outside of a poll, is as discreet.
func TestFetchesHideWhatTheyHaveRead(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	_, err := c.once(t.Context(), fetchKey{}, func(ctx context.Context) (string, error) {
		disclose(ctx, secretOf("basic", map[string]string{"username": "robot", "password": canary}))
		return "", sources.Fail(v1beta1.NotFoundReason, nil, "robot cannot have %s", strconv.Quote(canary))
	})
	if err == nil || err.Error() != `robot cannot have "***"` || sources.Reason(err) != v1beta1.NotFoundReason {
		t.Errorf("it says %v", err)
	}
}
