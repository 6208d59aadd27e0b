package servers

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// What tokens say about who made them and whom they are for.
const (
	tokenIssuer  = "upstream-tokens"
	tokenService = "upstream-registry"
)

// TokenServer hands out tokens for a registry, to those who sign in to it.
type TokenServer struct {
	*server
	signer jose.Signer
	// roots is the authority that the registry trusts, PEM.
	roots []byte
}

// Tokens starts a token server. The options' user name and password are what it wants.
func Tokens(o Options) (*TokenServer, error) {
	authority, err := NewAuthority()
	if err != nil {
		return nil, err
	}
	cert, key, err := authority.Issue(time.Now().Add(time.Hour))
	if err != nil {
		return nil, err
	}
	leaf, _ := pem.Decode(cert)
	private, _ := pem.Decode(key)
	signing, err := x509.ParseECPrivateKey(private.Bytes)
	if err != nil {
		return nil, err
	}
	chain := []string{base64.StdEncoding.EncodeToString(leaf.Bytes)}
	t := &TokenServer{roots: authority.PEM}
	if t.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: signing},
		(&jose.SignerOptions{}).WithHeader("x5c", chain)); err != nil {
		return nil, err
	}
	t.server, err = start(o, true, http.HandlerFunc(t.serve))
	return t, err
}

// serve answers with a token for the scopes that are asked for.
func (t *TokenServer) serve(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	claims := token.ClaimSet{
		Issuer: tokenIssuer, Subject: t.opts.Username, Audience: token.AudienceList{tokenService},
		IssuedAt: now.Unix(), NotBefore: now.Add(-time.Minute).Unix(), Expiration: now.Add(time.Minute).Unix(),
		Access: []*token.ResourceActions{},
	}
	for _, scope := range r.URL.Query()["scope"] {
		if parts := strings.Split(scope, ":"); len(parts) == 3 {
			claims.Access = append(claims.Access,
				&token.ResourceActions{Type: parts[0], Name: parts[1], Actions: strings.Split(parts[2], ",")})
		}
	}
	signed, err := jwt.Signed(t.signer).Claims(claims).Serialize()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"token": signed, "expires_in": 60})
}
