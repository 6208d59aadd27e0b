package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// issuer is an OpenID Connect issuer that signs what it is given.
type issuer struct {
	*httptest.Server
	signer jose.Signer
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{}
	key := jose.SigningKey{Algorithm: jose.ES256, Key: private}
	if i.signer, err = jose.NewSigner(key, (&jose.SignerOptions{}).WithHeader("kid", "one")); err != nil {
		t.Fatal(err)
	}
	public := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private.Public(), KeyID: "one", Use: "sig"}}}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
		case "/keys":
			_ = json.NewEncoder(w).Encode(public)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(i.Close)
	return i
}

// token is a token of the issuer for a repository.
func (i *issuer) token(t *testing.T, audience, repository string) string {
	t.Helper()
	now := time.Now()
	text, err := jwt.Signed(i.signer).Claims(map[string]any{
		"iss": i.URL, "aud": audience, "repository": repository, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A workflow calls with a token of its issuer, without any Secret.
func TestACallWithATokenOfAnIssuer(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	trusted, other := newIssuer(t), newIssuer(t)
	fleet(t, ns, map[string]string{"a.yaml": settings("a", "one")})
	repository := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fleet"}}
	ci := receiver(ns, v1beta1.ReceiverOIDC, v1beta1.ReceiverResource{Kind: v1beta1.GitRepositoryKind, Name: "fleet"})
	ci.Spec.SecretRef = nil
	ci.Spec.ResourceFilter = "claims.repository.endsWith(res.metadata.name)"
	ci.Spec.OIDCProviders = []v1beta1.OIDCProvider{{
		IssuerURL: trusted.URL, Audience: "fairlead",
		Variables:   []v1beta1.OIDCVariable{{Name: "owner", Expression: "claims.repository.split('/')[0]"}},
		Validations: []v1beta1.OIDCValidation{{Expression: "vars.owner == 'example'", Message: "another owner"}},
	}}
	apply(t, ci)
	awaitReady(t, ci)
	awaitReady(t, repository)
	path := get(t, ci).Status.WebhookPath
	for name, tt := range map[string]struct {
		token  string
		status int
	}{
		"no token":         {"x", http.StatusNotFound},
		"another issuer":   {other.token(t, "fairlead", "example/fleet"), http.StatusNotFound},
		"another audience": {trusted.token(t, "other", "example/fleet"), http.StatusNotFound},
		"another owner":    {trusted.token(t, "fairlead", "other/fleet"), http.StatusForbidden},
	} {
		if got := call(t, path, "{}", "Authorization", "Bearer "+tt.token); got != tt.status {
			t.Errorf("%s: the call is answered with %d, want %d", name, got, tt.status)
		}
	}
	if get(t, repository).Annotations[v1beta1.ReconcileRequestAnnotation] != "" {
		t.Error("a call that does not count has the repository looked at")
	}
	good := trusted.token(t, "fairlead", "example/fleet")
	if got := call(t, path, "{}", "Authorization", "Bearer "+good); got != http.StatusOK {
		t.Errorf("the call is answered with %d", got)
	}
	if get(t, repository).Annotations[v1beta1.ReconcileRequestAnnotation] == "" {
		t.Error("the repository is not asked to look")
	}
	shownNowhere(t, ns, good)
}
