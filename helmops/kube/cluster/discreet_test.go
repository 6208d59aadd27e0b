package cluster

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead.dev/fairlead/helmops/kube/redact"
)

const canary = "hunter2!Canary&9f3c<of-team>"

// repeated are the ways in which a server may repeat the canary.
func repeated() []string {
	asJSON, _ := json.Marshal(canary)
	return []string{
		canary, strings.ToUpper(canary), strconv.Quote(canary), string(asJSON), url.QueryEscape(canary),
		url.PathEscape(canary),
		hex.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte(canary)),
		base64.RawURLEncoding.EncodeToString([]byte(canary)),
		"Bearer " + canary, "Basic " + base64.StdEncoding.EncodeToString([]byte("robot:"+canary)), canary[:12] + "...",
	}
}

func showsCanary(text string) bool {
	for _, part := range []string{canary[:7], canary[8:14], canary[15:19], canary[20:27]} {
		for _, trace := range []string{part, strings.ToUpper(part), hex.EncodeToString([]byte(part))} {
			if strings.Contains(text, trace) {
				return true
			}
		}
		for shift := range 3 {
			encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), part...))
			if strings.Contains(text, encoded[(shift*8+5)/6:(shift+len(part))*8/6]) {
				return true
			}
		}
	}
	return false
}

// A server of a kubeconfig that repeats the credential it was sent brings it into no error, in no encoding.
func TestServersThatRepeatCredentials(t *testing.T) {
	t.Parallel()
	users := map[string]func(*clientcmdapi.AuthInfo){
		"a token":    func(u *clientcmdapi.AuthInfo) { u.Token = canary },
		"a password": func(u *clientcmdapi.AuthInfo) { u.Token, u.Username, u.Password = "", "robot", canary },
	}
	answers := map[string]func(w http.ResponseWriter, said string){
		"a status": func(w http.ResponseWriter, said string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(
				metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
					Code:   http.StatusForbidden,
					Reason: metav1.StatusReasonForbidden, Message: "no rights for " + said,
					Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Message: said}}}})
		},
		"a text": func(w http.ResponseWriter, said string) {
			w.Header().Set("WWW-Authenticate", "Basic realm="+strconv.Quote(said))
			http.Error(w, "who is "+said, http.StatusUnauthorized)
		},
		"a redirect": func(w http.ResponseWriter, said string) {
			w.Header().Set("Location", "https://example.com/"+said)
			w.WriteHeader(http.StatusFound)
		},
		"an answer that is none": func(w http.ResponseWriter, said string) { w.Header().Set("Content-Type", said) },
	}
	for name, answer := range answers {
		for kind, user := range users {
			for _, said := range repeated() {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, said) }))
				pool := NewPool(4, time.Minute, time.Now)
				made, err := pool.Get(
					Access{Namespace: "apps",
						Kubeconfig: kubeconfig(t, server.URL,
							func(_ *clientcmdapi.Config, _ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
								user(u)
							})})
				if err != nil {
					t.Fatal(err)
				}
				_, err = made.Self().Kube().CoreV1().ConfigMaps("apps").Get(t.Context(), "a", metav1.GetOptions{})
				if err == nil || showsCanary(err.Error()) || showsCanary(fmt.Sprintf("%+v", err)) {
					t.Errorf("%s, %s, %q: %v", name, kind, said, err)
				}
				pool.Close()
				server.Close()
			}
		}
	}
}

// Errors of the connection, and warnings, are no way around it. The library logs warnings unless it has another
// handler for them.
func TestWarningsAndBrokenConnections(t *testing.T) {
	t.Parallel()
	d := &discreet{mask: redact.NewMask(canary), next: broken{}}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
	response, err := d.RoundTrip(request)
	if response != nil {
		_ = response.Body.Close()
	}
	if err == nil || err.Error() != "no connection with ***" {
		t.Errorf("the error is %v", err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Warning", `299 `+canary+` "it is `+canary+`"`)
		w.Header().Add("Warning", canary)
		w.Header().Add("Warning", `299 - "`+strings.Repeat("long", maxWarning)+`"`)
		for range 2 * maxWarnings {
			w.Header().Add("Warning", `299 - "again"`)
		}
	}))
	defer server.Close()
	d.next = http.DefaultTransport
	if request, err = http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil); err != nil {
		t.Fatal(err)
	}
	if response, err = d.RoundTrip(request); err != nil {
		t.Fatal(err)
	}
	got := response.Header["Warning"]
	if err := response.Body.Close(); err != nil || len(got) != maxWarnings-2 || got[0] != `299 - "it is ***"` {
		t.Errorf("%d warnings are passed on: %.300q, %v", len(got), got, err)
	}
	own, err := New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if own.config.WarningHandler != (rest.NoWarnings{}) {
		t.Errorf("warnings go to %T", own.config.WarningHandler)
	}
}

// broken is a connection that cannot be made.
type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("no connection with %s", canary)
}

func TestSecretsOfAKubeconfig(t *testing.T) {
	t.Parallel()
	config := kubeconfig(t, "https://example.com",
		func(_ *clientcmdapi.Config, _ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
			u.Token, u.Password, u.ClientKeyData = "token-of-user", "password-of-user", []byte("BEGIN\nkey-of-user\nEND")
		})
	if got := redact.NewMask(Secrets(config)...).Apply(
		"token-of-user password-of-user key-of-user example.com"); got != "*** *** *** example.com" {
		t.Errorf("masked it is %q", got)
	}
	const broken = "- *a-token-of-somebody"
	if got := redact.NewMask(Secrets([]byte(broken))...).Apply(broken); Secrets(nil) != nil || got != "***" {
		t.Errorf("of a kubeconfig that cannot be parsed %q is shown", got)
	}
}
