package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/sources/transport"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// fake is an issuer whose answers a test can change.
type fake struct {
	*httptest.Server
	asked atomic.Int32
	// document and keys replace the answers; nil for what is right.
	document, keys func() string
	published      []jose.JSONWebKey
}

func newFake(t *testing.T, published ...jose.JSONWebKey) *fake {
	t.Helper()
	f := &fake{published: published}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Add(1)
		switch {
		case r.URL.Path == "/.well-known/openid-configuration" && f.document != nil:
			_, _ = w.Write([]byte(f.document()))
		case r.URL.Path == "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": f.URL, "jwks_uri": f.URL + "/keys"})
		case r.URL.Path == "/keys" && f.keys != nil:
			_, _ = w.Write([]byte(f.keys()))
		case r.URL.Path == "/keys":
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: f.published})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// key is a private key and what is published of it.
func key(t *testing.T, id string) (private *ecdsa.PrivateKey, public jose.JSONWebKey) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private, jose.JSONWebKey{Key: private.Public(), KeyID: id, Algorithm: "ES256", Use: "sig"}
}

func sign(t *testing.T, algorithm jose.SignatureAlgorithm, with any, id string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if id != "" {
		options = options.WithHeader("kid", id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: with}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func verifier(now *time.Time) *Verifier {
	client := func(namespace string) *http.Client {
		return transport.New(transport.Options{Tenant: namespace})
	}
	return New(client, func() time.Time { return *now })
}

func TestVerify(t *testing.T) {
	t.Parallel()
	private, public := key(t, "one")
	other, _ := key(t, "one")
	shared := []byte("a-secret-that-both-sides-know-of-32-bytes")
	f := newFake(t, public)
	claims := func(change func(map[string]any)) map[string]any {
		out := map[string]any{
			"iss": f.URL, "aud": "fairlead", "sub": "repo:a/b",
			"exp": start.Add(time.Minute).Unix(), "iat": start.Unix(),
		}
		if change != nil {
			change(out)
		}
		return out
	}
	signed := func(change func(map[string]any)) string { return sign(t, jose.ES256, private, "one", claims(change)) }
	set := func(name string, value any) func(map[string]any) {
		return func(c map[string]any) { c[name] = value }
	}
	body := strings.Split(signed(nil), ".")
	changed := strings.Split(signed(set("sub", "x")), ".")
	for _, tt := range []struct {
		name, token string
		problem     string // empty where it counts
	}{
		{"a token", signed(nil), ""},
		{"one of several audiences", signed(set("aud", []string{"x", "fairlead"})), ""},
		{"no key is named", sign(t, jose.ES256, private, "", claims(nil)), ""},
		{"a clock that differs a little", signed(set("exp", start.Add(-30*time.Second).Unix())), ""},
		{"another audience", signed(set("aud", "x")), "for another audience"},
		{"no audience", signed(func(c map[string]any) { delete(c, "aud") }), "for another audience"},
		{"another issuer", signed(set("iss", "https://example.com")), "names another one"},
		{"expired", signed(set("exp", start.Add(-2*time.Minute).Unix())), "has expired"},
		{"never expires", signed(func(c map[string]any) { delete(c, "exp") }), "never expires"},
		{"not valid yet", signed(set("nbf", start.Add(time.Hour).Unix())), "not valid yet"},
		{"issued in the future", signed(set("iat", start.Add(time.Hour).Unix())), "in the future"},
		{"a time that is none", signed(set("exp", "soon")), "signature is not one"},
		{"another key with the same name", sign(t, jose.ES256, other, "one", claims(nil)), "signature is not one"},
		{"a key that is not published", sign(t, jose.ES256, other, "two", claims(nil)), "does not publish the key"},
		{"a shared secret", sign(t, jose.HS256, shared, "one", claims(nil)), "not a JWT"},
		{"no signature", body[0] + "." + body[1] + ".", "signature is not one"},
		{"unsigned", "eyJhbGciOiJub25lIn0." + body[1] + ".", "not a JWT"},
		{"another body", body[0] + "." + changed[1] + "." + body[2], "signature is not one"},
		{"nonsense", "hunter2", "not a JWT"},
		{"too long", strings.Repeat("a", maxToken+1), "more than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := start
			got, err := verifier(&now).Verify(t.Context(), "apps", f.URL, "fairlead", tt.token)
			var refused *TokenError
			switch {
			case tt.problem == "" && (err != nil || got["sub"] != "repo:a/b"):
				t.Errorf("the claims are %v: %v", got, err)
			case tt.problem != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), tt.problem)):
				t.Errorf("the error is %v, want %q", err, tt.problem)
			}
		})
	}
}

func TestIssuerOf(t *testing.T) {
	t.Parallel()
	private, _ := key(t, "one")
	for _, tt := range []struct {
		name, token, want string
	}{
		{"named", sign(t, jose.ES256, private, "", map[string]any{"iss": "https://example.com"}), "https://example.com"},
		{"not named", sign(t, jose.ES256, private, "", map[string]any{}), ""},
		{"no text", sign(t, jose.ES256, private, "", map[string]any{"iss": 1}), ""},
		{"no token", "hunter2", ""},
	} {
		got, err := IssuerOf(tt.token)
		if got != tt.want || (err != nil) != (tt.want == "") || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

// What an issuer says that cannot be used is no fault of the caller, and quotes nothing.
func TestIssuersThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	private, public := key(t, "one")
	manyKeys := `{"keys":[` + strings.TrimSuffix(strings.Repeat("{},", maxKeys+1), ",") + `]}`
	for _, tt := range []struct {
		name, document, keys, want string
	}{
		{"another issuer", `{"issuer":"https://example.com","jwks_uri":"URL/keys"}`, "", "that of another issuer"},
		{"no JSON", "canary", "", "not the JSON of an issuer"},
		{"too much", strings.Repeat(" ", maxDocument+1), "", "more than the limit"},
		{"no address of keys", `{"issuer":"URL"}`, "", "the URL has the scheme"},
		{"keys on a machine's own service", `{"issuer":"URL","jwks_uri":"http://169.254.169.254/keys"}`, "", "refused"},
		{"keys in a file", `{"issuer":"URL","jwks_uri":"file:///etc/passwd"}`, "", "scheme"},
		{"keys that are not there", `{"issuer":"URL","jwks_uri":"URL/none"}`, "", "answers 404"},
		{"keys that are none", "", "canary", "not the JSON of an issuer"},
		{"too many keys", "", manyKeys, "more than 100"},
		{"keys that are too long", "", strings.Repeat(" ", maxKeySet+1), "more than the limit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, public)
			if tt.document != "" {
				f.document = func() string { return strings.ReplaceAll(tt.document, "URL", f.URL) }
			}
			if tt.keys != "" {
				f.keys = func() string { return tt.keys }
			}
			now := start
			claims := map[string]any{"iss": f.URL, "aud": "a", "exp": start.Add(time.Minute).Unix()}
			_, err := verifier(&now).Verify(t.Context(), "apps", f.URL, "a", sign(t, jose.ES256, private, "one", claims))
			var refused *TokenError
			if err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error quotes the answer: %v", err)
			}
		})
	}
}

// Symmetric and private keys, and those for encryption, are not used.
func TestUsableKeys(t *testing.T) {
	t.Parallel()
	private, public := key(t, "good")
	encryption := public
	encryption.Use, encryption.KeyID = "enc", "encryption"
	var encoded []json.RawMessage
	for _, k := range []jose.JSONWebKey{
		public, encryption, {Key: private, KeyID: "private"}, {Key: []byte("a-shared-secret"), KeyID: "shared"},
	} {
		text, err := k.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		encoded = append(encoded, text)
	}
	encoded = append(encoded, json.RawMessage(`{"kty":"unknown","kid":"unknown"}`), json.RawMessage(`"x"`))
	var ids []string
	for _, k := range usable(encoded) {
		ids = append(ids, k.KeyID)
	}
	if diff := cmp.Diff([]string{"good"}, ids); diff != "" {
		t.Errorf("the keys are (-want +got):\n%s", diff)
	}
}

// An issuer is asked once an hour, once a minute about keys that it did not have, and again a minute after a failure.
func TestIssuersAreRemembered(t *testing.T) {
	t.Parallel()
	private, public := key(t, "one")
	next, nextPublic := key(t, "two")
	f := newFake(t, public)
	now := start
	v := verifier(&now)
	claims := func() map[string]any {
		return map[string]any{"iss": f.URL, "aud": "a", "exp": now.Add(time.Minute).Unix()}
	}
	first := func() string { return sign(t, jose.ES256, private, "one", claims()) }
	second := func() string { return sign(t, jose.ES256, next, "two", claims()) }
	broken := func() string { return "" }
	publish := func() { f.published = append(f.published, nextPublic) }
	for _, step := range []struct {
		name      string
		after     time.Duration
		do        func()
		namespace string
		token     func() string
		asked     int32
		ok        bool
	}{
		{"the first call", 0, func() {}, "apps", first, 2, true},
		{"the next", time.Minute, func() {}, "apps", first, 0, true},
		{"another namespace", 0, func() {}, "other", first, 2, true},
		{"a key that is not there", time.Second, func() {}, "apps", second, 2, false},
		{"the same a moment later", time.Second, func() {}, "apps", second, 0, false},
		{"the key is published, a minute later", time.Minute, publish, "apps", second, 2, true},
		{"an hour later", time.Hour, func() {}, "apps", first, 2, true},
		{"broken, an hour later", time.Hour, func() { f.document = broken }, "apps", first, 1, false},
		{"broken, a moment later", time.Second, func() {}, "apps", first, 0, false},
		{"repaired, a minute later", time.Minute, func() { f.document = nil }, "apps", first, 2, true},
		{"broken, with keys that count", time.Minute, func() { f.document = broken }, "apps", first, 0, true},
	} {
		now = now.Add(step.after)
		step.do()
		before := f.asked.Load()
		_, err := v.Verify(t.Context(), step.namespace, f.URL, "a", step.token())
		if (err == nil) != step.ok {
			t.Errorf("%s: error %v", step.name, err)
		}
		if asked := f.asked.Load() - before; asked != step.asked {
			t.Errorf("%s: %d requests, want %d", step.name, asked, step.asked)
		}
	}
}

func FuzzIssuerOf(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		if issuer, err := IssuerOf(token); (issuer == "") != (err != nil) {
			t.Errorf("issuer %q, error %v", issuer, err)
		}
	})
}
