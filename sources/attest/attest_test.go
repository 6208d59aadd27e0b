package attest_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/attest"
	"fairlead.dev/fairlead/sources/verify"
)

var digest = "sha256:" + strings.Repeat("a", 64)

func promotion() attest.Promotion {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	return attest.Promotion{
		Namespace: "apps", Pipeline: "shop", Stage: "prod", Version: "1.0.0", Verified: []attest.Stage{
			{Name: "dev", At: at},
			{Name: "staging", At: at, Releases: []attest.Release{{Namespace: "apps", Name: "web", At: at}}},
		},
	}
}

// keys are private keys, PEM, by their kind.
func keys(t *testing.T) map[string][]byte {
	t.Helper()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for name, key := range map[string]any{"ecdsa": p256, "ed25519": edwards, "rsa": weak} {
		if all[name], err = cryptoutils.MarshalPrivateKeyToPEM(key); err != nil {
			t.Fatal(err)
		}
	}
	password := func(bool) ([]byte, error) { return []byte("secret"), nil }
	if all["cosign"], _, err = cryptoutils.GeneratePEMEncodedECDSAKeyPair(elliptic.P256(), password); err != nil {
		t.Fatal(err)
	}
	return all
}

// A statement counts for the digest and the key that it was signed with, and for no other.
func TestStatements(t *testing.T) {
	t.Parallel()
	pem := keys(t)
	for kind, data := range map[string]map[string][]byte{
		"ecdsa":   {"team.key": pem["ecdsa"]},
		"ed25519": {"team.key": pem["ed25519"]},
		"cosign":  {"cosign.key": pem["cosign"], "cosign.password": []byte("secret"), "cosign.pub": nil},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			signer, err := attest.NewSigner(data)
			if err != nil {
				t.Fatal(err)
			}
			bundle, err := signer.Sign("charts/shop", digest, attest.PromotionType, promotion())
			if err != nil {
				t.Fatal(err)
			}
			policy, err := verify.Keys(map[string][]byte{"team.pub": signer.Public()})
			if err != nil {
				t.Fatal(err)
			}
			found := []verify.Signed{{Where: "here", Bundle: bundle}, {Where: "there", Payload: []byte("{}")}}
			trusted, refused := policy.Statements(digest, found)
			if len(trusted) != 1 || len(refused) != 0 || trusted[0].By != "key team.pub" {
				t.Fatalf("trusted %+v, refused %v", trusted, refused)
			}
			var got attest.Promotion
			if err := json.Unmarshal(trusted[0].Predicate, &got); err != nil || !cmp.Equal(got, promotion()) {
				t.Errorf("the predicate is %+v, %v", got, err)
			}
			if trusted, refused := policy.Statements("sha256:"+strings.Repeat("b", 64), found); len(trusted) > 0 ||
				len(refused) != 1 {
				t.Errorf("it counts for another digest: %+v, %v", trusted, refused)
			}
			forged := strings.Replace(string(bundle), `"payload":"`, `"payload":"IC`, 1)
			if trusted, _ := policy.Statements(digest, []verify.Signed{{Bundle: []byte(forged)}}); len(trusted) > 0 {
				t.Errorf("a forged statement counts: %+v", trusted)
			}
			stranger, err := attest.NewSigner(map[string][]byte{"x.key": keys(t)["ecdsa"]})
			if err != nil {
				t.Fatal(err)
			}
			other, err := verify.Keys(map[string][]byte{"x.pub": stranger.Public()})
			if err != nil {
				t.Fatal(err)
			}
			if trusted, refused := other.Statements(digest, found); len(trusted) > 0 || len(refused) != 1 ||
				!strings.Contains(refused[0], "none of the keys x.pub") {
				t.Errorf("it counts for another key: %+v, %v", trusted, refused)
			}
		})
	}
}

// A key that cannot be used is an error that does not show it.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	pem := keys(t)
	for name, data := range map[string]map[string][]byte{
		"none":              {"team.pub": pem["ecdsa"]},
		"two":               {"a.key": pem["ecdsa"], "b.key": pem["ecdsa"]},
		"no PEM":            {"a.key": []byte("hunter2")},
		"RSA":               {"a.key": pem["rsa"]},
		"no password":       {"a.key": pem["cosign"]},
		"another password":  {"a.key": pem["cosign"], "a.password": []byte("hunter2")},
		"password of b.key": {"a.key": pem["cosign"], "b.password": []byte("secret")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := attest.NewSigner(data)
			if sources.Reason(err) != v1beta1.AuthenticationFailedReason || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	predicate, err := json.Marshal(promotion())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		claim attest.Claim
		kind  string
		says  string // empty for a claim that holds
	}{
		{"any promotion", attest.Claim{}, attest.PromotionType, ""},
		{"the stage", attest.Claim{Stage: "staging"}, attest.PromotionType, ""},
		{"all", attest.Claim{Stage: "dev", Pipeline: "shop", Namespace: "apps"}, attest.PromotionType, ""},
		{"the stage that it was promoted to", attest.Claim{Stage: "prod"}, attest.PromotionType, "dev, staging"},
		{"another stage", attest.Claim{Stage: "qa"}, attest.PromotionType, "dev, staging"},
		{"another pipeline", attest.Claim{Pipeline: "cart"}, attest.PromotionType, "apps/shop"},
		{"another namespace", attest.Claim{Namespace: "team"}, attest.PromotionType, "apps/shop"},
		{"another type", attest.Claim{}, "https://slsa.dev/provenance/v1", "slsa.dev"},
		{"its own type", attest.Claim{Type: "https://slsa.dev/provenance/v1"}, "https://slsa.dev/provenance/v1", ""},
		{"not its own type", attest.Claim{Type: "https://slsa.dev/provenance/v1"}, attest.PromotionType, "promotion"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.claim.Check(tt.kind, predicate)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
	if err := (attest.Claim{}).Check(attest.PromotionType, []byte("[]")); err == nil {
		t.Error("a predicate of another shape counts")
	}
	text := attest.Claim{Stage: "staging", Pipeline: "shop", Namespace: "apps"}.String()
	if text != "that the chart was verified in stage staging of pipeline apps/shop" {
		t.Error(text)
	}
}

// A statement is written again only when it says more than the one that is there.
func TestIncludes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*attest.Promotion)
		want   bool
	}{
		"the same":        {func(*attest.Promotion) {}, true},
		"other times":     {func(p *attest.Promotion) { p.Verified[0].At = time.Now() }, true},
		"less":            {func(p *attest.Promotion) { p.Verified = p.Verified[:1] }, true},
		"another stage":   {func(p *attest.Promotion) { p.Verified[0].Name = "qa" }, false},
		"another target":  {func(p *attest.Promotion) { p.Stage = "mirror" }, false},
		"another object":  {func(p *attest.Promotion) { p.Pipeline = "cart" }, false},
		"another tenants": {func(p *attest.Promotion) { p.Namespace = "team" }, false},
	} {
		other := promotion()
		tt.change(&other)
		if got := promotion().Includes(other); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}
