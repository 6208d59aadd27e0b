package receiver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources/oidc"
	"fairlead.dev/fairlead/sources/transport"
)

const (
	pusher   = "pusher@example-project.iam.gserviceaccount.com"
	audience = "https://hooks.example.com"
)

// google is an issuer in the place of Google.
type google struct {
	url string
	key *ecdsa.PrivateKey
}

func newGoogle(t *testing.T) *google {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	g := &google{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": g.url, "jwks_uri": g.url + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		public := jose.JSONWebKey{Key: key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// sign returns a header with a token of Pub/Sub.
func (g *google) sign(t *testing.T, change func(claims map[string]any)) string {
	t.Helper()
	claims := map[string]any{
		"iss": g.url, "aud": audience, "email": pusher, "email_verified": true,
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
	}
	if change != nil {
		change(claims)
	}
	options := (&jose.SignerOptions{}).WithHeader("kid", "one")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: g.key}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + text
}

// verified is a handler that takes an issuer for Google.
func verified(t *testing.T, g *google) (h *handler, asked *[]string) {
	t.Helper()
	h, asked = filtering(t)
	h.google = g.url
	h.verifier = oidc.New(func(namespace string) *http.Client {
		return transport.New(transport.Options{Tenant: namespace})
	}, time.Now)
	return h, asked
}

func envelope(data string) string {
	encoded := base64.StdEncoding.EncodeToString([]byte(data))
	return `{"message":{"data":"` + encoded + `","messageId":"1"},"subscription":"s"}`
}

const (
	insertion = `{"action":"INSERT","digest":"europe-docker.pkg.dev/p/images/web@sha256:00",` +
		`"tag":"europe-docker.pkg.dev/p/images/web:1.0.0"}`
	deletion = `{"action":"DELETE","tag":"europe-docker.pkg.dev/p/images/web:1.0.0"}`
)

func ofGoogle() *v1beta1.Receiver {
	r := receiverOf(v1beta1.ReceiverGCR)
	r.Spec.SecretRef = &v1beta1.LocalObjectReference{Name: "images"}
	r.Spec.Resources = []v1beta1.ReceiverResource{{Kind: v1beta1.GitRepositoryKind, Name: "web"}}
	return r
}

// call calls a receiver with the credentials of its Secret and returns the status of the answer.
func (g *google) call(t *testing.T, h *handler, r *v1beta1.Receiver, known credentials, header, body string) int {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, pathOf(r, nil), strings.NewReader(body))
	if header != "" {
		request.Header.Set("Authorization", header)
	}
	answer := httptest.NewRecorder()
	newServer("", &identified{handler: h, receiver: r, known: known}).ServeHTTP(answer, request)
	if answer.Body.Len() > 0 {
		t.Errorf("the caller is answered %q", answer.Body)
	}
	return answer.Code
}

func TestCallsOfGoogle(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	other := newGoogle(t)
	known := credentials{email: pusher, audience: audience}
	good := g.sign(t, nil)
	set := func(name string, value any) string {
		return g.sign(t, func(claims map[string]any) { claims[name] = value })
	}
	without := func(name string) string {
		return g.sign(t, func(claims map[string]any) { delete(claims, name) })
	}
	forged := other.sign(t, func(claims map[string]any) { claims["iss"] = g.url })
	for _, tt := range []struct {
		name, header, body string
		known              credentials
		status             int
		told               bool
	}{
		{"an image is pushed", good, envelope(insertion), known, 200, true},
		{"an image is deleted", good, envelope(deletion), known, 200, false},
		{"an unknown action", good, envelope(`{"action":"insert"}`), known, 200, false},
		{"no action", good, envelope(`{}`), known, 200, false},
		{"no token", "", envelope(insertion), known, 404, false},
		{"no bearer token", "Basic x", envelope(insertion), known, 404, false},
		{"no JWT", "Bearer hunter2", envelope(insertion), known, 404, false},
		{"another issuer", other.sign(t, nil), envelope(insertion), known, 404, false},
		{"another issuer that says it is Google", forged, envelope(insertion), known, 404, false},
		{"another audience", set("aud", "https://example.com"), envelope(insertion), known, 404, false},
		{"no audience", without("aud"), envelope(insertion), known, 404, false},
		{"expired", set("exp", time.Now().Add(-time.Hour).Unix()), envelope(insertion), known, 404, false},
		{"another email", set("email", "other@example.com"), envelope(insertion), known, 404, false},
		{"no email", without("email"), envelope(insertion), known, 404, false},
		{"an email that is no text", set("email", []string{pusher}), envelope(insertion), known, 404, false},
		{"an email that is not verified", set("email_verified", false), envelope(insertion), known, 404, false},
		{"an email verified in words", set("email_verified", "true"), envelope(insertion), known, 404, false},
		{"nothing says that the email is verified", without("email_verified"), envelope(insertion), known, 404, false},
		{"a Secret without email", set("email", ""), envelope(insertion), credentials{audience: audience}, 404, false},
		{"a Secret without audience", set("aud", ""), envelope(insertion), credentials{email: pusher}, 404, false},
		{"no JSON", good, "[", known, 400, false},
		{"no object", good, "[]", known, 400, false},
		{"no message", good, "{}", known, 400, false},
		{"no text as data", good, `{"message":{"data":1}}`, known, 400, false},
		{"no base64", good, `{"message":{"data":"%%%"}}`, known, 400, false},
		{"no JSON in the message", good, envelope("hunter2"), known, 400, false},
		{"no object in the message", good, envelope("null"), known, 400, false},
		{"an action that is no text", good, envelope(`{"action":1}`), known, 400, false},
		{"deeply nested", good, envelope(strings.Repeat("[", 100_000)), known, 400, false},
		{"huge", good, envelope(strings.Repeat(" ", maxBody)), known, 413, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, asked := verified(t, g)
			status := g.call(t, h, ofGoogle(), tt.known, tt.header, tt.body)
			if status != tt.status || slices.Contains(*asked, "web") != tt.told {
				t.Errorf("status %d, want %d; asked to look are %v", status, tt.status, *asked)
			}
		})
	}
}

// While the keys of Google cannot be read, Pub/Sub has to try again.
func TestGoogleIsAway(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	h, asked := verified(t, g)
	h.google = "http://127.0.0.1:1"
	header := g.sign(t, func(claims map[string]any) { claims["iss"] = h.google })
	known := credentials{email: pusher, audience: audience}
	status := g.call(t, h, ofGoogle(), known, header, envelope(insertion))
	if status != http.StatusServiceUnavailable || len(*asked) > 0 {
		t.Errorf("status %d, asked to look are %v", status, *asked)
	}
}

// Filters know the message in the envelope. A tag that is missing is empty.
func TestMessagesOfGoogleInFilters(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	for _, tt := range []struct {
		data   string
		status int
		want   []string
	}{
		{insertion, 200, []string{"web"}},
		{`{"action":"INSERT","digest":"europe-docker.pkg.dev/p/images/web@sha256:00"}`, 200, []string{}},
	} {
		h, asked := verified(t, g)
		r := ofGoogle()
		r.Spec.Resources[0] = v1beta1.ReceiverResource{
			Kind: v1beta1.GitRepositoryKind, Name: "*", MatchLabels: map[string]string{"hook": "yes"},
			Filter: "req.tag.contains('/' + res.metadata.name + ':')",
		}
		known := credentials{email: pusher, audience: audience}
		status := g.call(t, h, r, known, g.sign(t, nil), envelope(tt.data))
		if status != tt.status || !slices.Equal(*asked, tt.want) {
			t.Errorf("%s: status %d, asked to look are %v, want %v", tt.data, status, *asked, tt.want)
		}
	}
}

// Why a call is refused quotes nothing of the Secret.
func TestRefusalsOfGoogleShowNoSecret(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	h, _ := verified(t, g)
	known := credentials{token: []byte(token), email: pusher, audience: audience}
	for _, claim := range []string{"aud", "email", "email_verified", "exp"} {
		header := http.Header{"Authorization": {g.sign(t, func(claims map[string]any) { delete(claims, claim) })}}
		_, err := h.identify(t.Context(), ofGoogle(), known, header)
		if err == nil {
			t.Errorf("a token without %s counts", claim)
			continue
		}
		for _, secret := range []string{token, pusher, audience} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("without %s, the error quotes %q: %v", claim, secret, err)
			}
		}
	}
}

// A receiver whose Secret does not say whose tokens count has no address.
func TestSecretsForGoogle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name            string
		email, audience string
		ready           bool
	}{
		{"both", pusher, audience, true},
		{"with a line break", pusher + "\n", audience + "\n", true},
		{"only a token", "", "", false},
		{"no email", "", audience, false},
		{"no audience", pusher, "", false},
		{"a blank audience", pusher, " \n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "images"},
				Data: map[string][]byte{
					tokenKey: []byte(token), emailKey: []byte(tt.email), audienceKey: []byte(tt.audience),
				},
			}
			h, _ := filtering(t)
			h.live = fake.NewClientBuilder().WithObjects(secret).Build()
			r := ofGoogle()
			r.Status.WebhookPath = "/hook/before"
			if _, err := h.Reconcile(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if status.IsReady(r) != tt.ready || (r.Status.WebhookPath == pathOf(r, []byte(token))) != tt.ready {
				t.Fatalf("ready %t, at %q: %s", status.IsReady(r), r.Status.WebhookPath, status.Message(r))
			}
			if tt.ready {
				known, err := h.credentials(t.Context(), r)
				if err != nil || known.email != pusher || known.audience != audience {
					t.Errorf("the credentials are %q, %q: %v", known.email, known.audience, err)
				}
				return
			}
			says := "Secret apps/images of spec.secretRef needs the keys email and audience"
			if !strings.HasPrefix(status.Message(r), says) || r.Status.WebhookPath != "" {
				t.Errorf("at %q: %s", r.Status.WebhookPath, status.Message(r))
			}
		})
	}
}

func FuzzPushed(f *testing.F) {
	f.Add([]byte(envelope(insertion)))
	f.Fuzz(func(t *testing.T, body []byte) {
		found, err := pushed(body)
		if err == nil && !json.Valid(found.body) {
			t.Errorf("the message for filters is %q", found.body)
		}
	})
}
