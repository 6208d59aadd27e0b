package receiver

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources/oidc"
)

// trusting is a verifier that takes every token, and notes what it is asked.
type trusting struct {
	claims map[string]any
	failed error
	asked  []string
}

func (v *trusting) Verify(_ context.Context, namespace, issuer, audience, _ string) (map[string]any, error) {
	v.asked = append(v.asked, namespace+" "+issuer+" "+audience)
	return v.claims, v.failed
}

// tokenOf is a token of an issuer, with a signature that is none.
func tokenOf(issuer string) string {
	parts := []string{`{"alg":"ES256"}`, `{"iss":"` + issuer + `"}`, "none"}
	for i := range parts {
		parts[i] = base64.RawURLEncoding.EncodeToString([]byte(parts[i]))
	}
	return strings.Join(parts, ".")
}

func withProvider(change func(*v1beta1.OIDCProvider)) *v1beta1.Receiver {
	provider := v1beta1.OIDCProvider{
		IssuerURL:   "https://issuer.example.com",
		Variables:   []v1beta1.OIDCVariable{{Name: "owner", Expression: "claims.repository.split('/')[0]"}},
		Validations: []v1beta1.OIDCValidation{{Expression: "vars.owner == 'example'", Message: "another owner"}},
	}
	if change != nil {
		change(&provider)
	}
	r := receiverOf(v1beta1.ReceiverOIDC)
	r.Spec.OIDCProviders = []v1beta1.OIDCProvider{provider}
	r.Spec.Resources = []v1beta1.ReceiverResource{{Kind: v1beta1.GitRepositoryKind, Name: "web"}}
	return r
}

func TestTokensOfIssuers(t *testing.T) {
	t.Parallel()
	good := "Bearer " + tokenOf("https://issuer.example.com")
	expired := &oidc.TokenError{Problem: "it has expired"}
	away := errors.New("connection refused")
	repository := func(name string) map[string]any { return map[string]any{"repository": name} }
	for _, tt := range []struct {
		name, header string
		claims       map[string]any
		failed       error
		change       func(*v1beta1.OIDCProvider)
		status       int
		says         string
		told, asked  bool
	}{
		{name: "good", header: good, claims: repository("example/fleet"), status: 200, told: true, asked: true},
		{name: "no token", status: 404},
		{name: "no bearer token", header: "Basic x", status: 404},
		{name: "no JWT", header: "Bearer hunter2", status: 404},
		{name: "another issuer", header: "Bearer " + tokenOf("https://example.com"), status: 404},
		{name: "a token that does not count", header: good, failed: expired, status: 404, asked: true},
		{name: "an issuer that is away", header: good, failed: away, status: 503, asked: true},
		{name: "a validation says no", header: good, claims: repository("other/fleet"), status: 403, asked: true,
			says: "another owner\n"},
		{name: "a claim is missing", header: good, claims: map[string]any{}, status: 403, asked: true,
			says: "variable owner has no value: line 1, column 7: no such key: repository\n"},
		{name: "two validations say no", header: good, claims: repository("other/fleet"), status: 403, asked: true,
			says: "another owner; never\n", change: func(p *v1beta1.OIDCProvider) {
				p.Validations = append(p.Validations, v1beta1.OIDCValidation{Expression: "false", Message: "never"})
			}},
		{name: "no bool", header: good, claims: repository("example/fleet"), status: 403, asked: true,
			says: "validation 0 has no answer: it does not give a bool\n", change: func(p *v1beta1.OIDCProvider) {
				p.Validations[0].Expression = "claims.repository"
			}},
		{name: "no validation", header: good, claims: repository("example/fleet"), status: 403, asked: true, says: "\n",
			change: func(p *v1beta1.OIDCProvider) { p.Validations = nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, asked := filtering(t)
			tokens := &trusting{claims: tt.claims, failed: tt.failed}
			h.verifier = tokens
			r := withProvider(tt.change)
			s := newServer("", &identified{handler: h, receiver: r})
			request := httptest.NewRequest(http.MethodPost, pathOf(r, nil), strings.NewReader("{}"))
			if tt.header != "" {
				request.Header.Set("Authorization", tt.header)
			}
			answer := httptest.NewRecorder()
			s.ServeHTTP(answer, request)
			if answer.Code != tt.status || answer.Body.String() != tt.says || slices.Contains(*asked, "web") != tt.told {
				t.Errorf("status %d, body %q, asked to look are %v", answer.Code, answer.Body, *asked)
			}
			if len(tokens.asked) > 0 != tt.asked {
				t.Errorf("the verifier was asked for %v", tokens.asked)
			}
			if tt.asked && tokens.asked[0] != "apps https://issuer.example.com notification-controller" {
				t.Errorf("the verifier was asked for %v", tokens.asked)
			}
		})
	}
}

// identified finds one receiver; everything else is the handler's.
type identified struct {
	*handler
	receiver *v1beta1.Receiver
	known    credentials
}

func (i *identified) find(context.Context, string) (*v1beta1.Receiver, error) { return i.receiver, nil }

func (i *identified) credentials(context.Context, *v1beta1.Receiver) (credentials, error) {
	return i.known, nil
}

// The filters of a receiver know the claims of the token.
func TestClaimsInFilters(t *testing.T) {
	t.Parallel()
	h, asked := filtering(t)
	h.verifier = &trusting{claims: map[string]any{"repository": "example/fleet", "branch": "shop"}}
	r := withProvider(nil)
	r.Spec.Resources[0] = v1beta1.ReceiverResource{
		Kind: v1beta1.GitRepositoryKind, Name: "*", MatchLabels: map[string]string{"hook": "yes"},
		Filter: "res.metadata.labels.branch == claims.branch",
	}
	request := httptest.NewRequest(http.MethodPost, pathOf(r, nil), strings.NewReader("{}"))
	request.Header.Set("Authorization", "Bearer "+tokenOf("https://issuer.example.com"))
	answer := httptest.NewRecorder()
	newServer("", &identified{handler: h, receiver: r}).ServeHTTP(answer, request)
	if answer.Code != http.StatusOK || !slices.Equal(*asked, []string{"shop"}) {
		t.Errorf("status %d, asked to look are %v", answer.Code, *asked)
	}
}

func TestProvidersThatCannotBeCompiled(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*v1beta1.OIDCProvider){
		"variables[0]: line 1":   func(p *v1beta1.OIDCProvider) { p.Variables[0].Expression = "claims." },
		"variables[0]: \"a-b\"":  func(p *v1beta1.OIDCProvider) { p.Variables[0].Name = "a-b" },
		"validations[0]: it":     func(p *v1beta1.OIDCProvider) { p.Validations[0].Expression = "1" },
		"validations[0]: line 1": func(p *v1beta1.OIDCProvider) { p.Validations[0].Expression = "x" },
	} {
		want = "spec.oidcProviders[0]." + want
		h, _ := filtering(t)
		r := withProvider(change)
		r.Status.WebhookPath = "/hook/before"
		if _, err := h.Reconcile(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if !status.IsStalled(r) || !strings.HasPrefix(status.Message(r), want) || r.Status.WebhookPath != "" {
			t.Errorf("stalled %v, %s; want %s", status.IsStalled(r), status.Message(r), want)
		}
	}
}

// The address of such a receiver needs no Secret. An interval is when it is made again.
func TestAddressWithoutASecret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		interval *metav1.Duration
		want     time.Duration
	}{
		{nil, 0},
		{&metav1.Duration{Duration: time.Hour}, time.Hour},
		{&metav1.Duration{Duration: time.Second}, v1beta1.MinInterval()},
	} {
		h, _ := filtering(t)
		r := withProvider(nil)
		r.Spec.Interval = tt.interval
		after, err := h.Reconcile(t.Context(), r)
		if err != nil || after != tt.want || !status.IsReady(r) || r.Status.WebhookPath != pathOf(r, nil) {
			t.Errorf("after %s, %v; at %q: %s", after, err, r.Status.WebhookPath, status.Message(r))
		}
	}
}
