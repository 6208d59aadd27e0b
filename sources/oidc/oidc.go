// Package oidc verifies the tokens of OpenID Connect issuers.
//
//	token ─► IssuerOf ─► the issuers that are trusted
//	      └► Verify ─► discovery ─► keys ─► signature, issuer, audience, time ─► claims
//
// What an issuer says is outside input: it is read through sources/transport, which refuses addresses that no upstream
// has, within bounds of size and time, and kept for a while.
package oidc

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// maxToken bounds a token, in bytes.
	maxToken = 16 << 10
	// leeway is by how much the clocks of an issuer and of this machine may differ.
	leeway = time.Minute
	// maxTried is how many keys are tried for a token that names none.
	maxTried = 10
)

// algorithms are those that a token may be signed with. None of them uses a shared secret.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512,
	jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512,
	jose.EdDSA,
}

// TokenError is why a token does not count. It quotes nothing of the token but the issuer.
type TokenError struct{ Problem string }

// Error implements error.
func (e *TokenError) Error() string { return "the token does not count: " + e.Problem }

func refuse(format string, args ...any) error { return &TokenError{fmt.Sprintf(format, args...)} }

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	issuers *issuers
	now     func() time.Time
}

// New returns a verifier. client returns the client by which the issuers are asked that a namespace names.
func New(client func(namespace string) *http.Client, now func() time.Time) *Verifier {
	return &Verifier{issuers: newIssuers(client, now), now: now}
}

// parse reads a token without verifying it.
func parse(token string) (*jwt.JSONWebToken, error) {
	if len(token) > maxToken {
		return nil, refuse("it has more than %d bytes", maxToken)
	}
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return nil, refuse("it is not a JWT with a signature of a supported algorithm")
	}
	return parsed, nil
}

// IssuerOf returns who a token says has issued it, which is not verified. The error is a *TokenError.
func IssuerOf(token string) (string, error) {
	parsed, err := parse(token)
	if err != nil {
		return "", err
	}
	var claims jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil || claims.Issuer == "" {
		return "", refuse("it names no issuer")
	}
	return claims.Issuer, nil
}

// Verify returns the claims of a token that the issuer has signed for the audience, and that is valid at present. The
// error is a *TokenError when the token does not count; any other means that the issuer could not be asked, and trying
// again can help. The requests count for the namespace.
func (v *Verifier) Verify(ctx context.Context, namespace, issuer, audience, token string) (map[string]any, error) {
	parsed, err := parse(token)
	if err != nil {
		return nil, err
	}

	id := parsed.Headers[0].KeyID
	keys, err := v.issuers.keys(ctx, namespace, issuer, id)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of issuer %s: %w", issuer, err)
	}
	if len(keys) == 0 {
		return nil, refuse("issuer %s does not publish the key that it is signed with", issuer)
	}

	for _, key := range keys[:min(len(keys), maxTried)] {
		var standard jwt.Claims
		claims := map[string]any{}
		if parsed.Claims(key, &standard, &claims) == nil {
			return claims, v.check(standard, issuer, audience)
		}
	}

	return nil, refuse("its signature is not one of issuer %s", issuer)
}

// check checks what a token with a good signature says.
func (v *Verifier) check(claims jwt.Claims, issuer, audience string) error {
	now := v.now()
	switch {
	case claims.Issuer != issuer:
		return refuse("it is signed by issuer %s and names another one", issuer)
	case !claims.Audience.Contains(audience):
		return refuse("it is for another audience than the expected one") // which can be of a Secret
	case claims.Expiry == nil:
		return refuse("it never expires")
	case now.After(claims.Expiry.Time().Add(leeway)):
		return refuse("it has expired")
	case claims.NotBefore != nil && now.Add(leeway).Before(claims.NotBefore.Time()):
		return refuse("it is not valid yet")
	case claims.IssuedAt != nil && now.Add(leeway).Before(claims.IssuedAt.Time()):
		return refuse("it is issued in the future")
	}

	return nil
}

// wellKnown is where an issuer says where its keys are.
func wellKnown(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}
