package receiver

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cel"
	"fairlead.dev/fairlead/sources/oidc"
)

// verifier verifies tokens of issuers. The error is an *oidc.TokenError when a token does not count; any other means
// that the issuer could not be asked.
type verifier interface {
	Verify(ctx context.Context, namespace, issuer, audience, token string) (map[string]any, error)
}

// deniedError is why a caller may not call a receiver although the token is good. It is for the caller.
type deniedError struct{ messages []string }

// Error implements error.
func (e *deniedError) Error() string { return strings.Join(e.messages, "; ") }

// identify implements receivers.
func (h *handler) identify(
	ctx context.Context, r *v1beta1.Receiver, known credentials, header http.Header,
) (map[string]any, error) {
	token, is := strings.CutPrefix(header.Get("Authorization"), "Bearer ")
	if !is {
		return nil, proofError("the call has no bearer token in the header Authorization")
	}

	token = strings.TrimSpace(token)
	issuer, err := oidc.IssuerOf(token)
	if err != nil {
		return nil, err
	}
	if r.Spec.Type == v1beta1.ReceiverGCR {
		return nil, h.verifyGoogle(ctx, r, known, issuer, token)
	}

	for i := range r.Spec.OIDCProviders {
		provider := &r.Spec.OIDCProviders[i]
		if provider.IssuerURL != issuer {
			continue
		}

		claims, err := h.verifier.Verify(ctx, r.Namespace, issuer, provider.GetAudience(), token)
		if err != nil {
			return nil, err
		}

		return claims, h.rules.admit(ctx, provider, claims)
	}

	return nil, proofError("the issuer of the token is none of spec.oidcProviders")
}

// variableName is what a variable may be called, so that vars.NAME is an expression.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// claimRules compiles the variables and validations of providers, each once. They know claims, those of the token, and
// vars, the variables before.
type claimRules struct{ programs *cel.Programs }

func newClaimRules() (*claimRules, error) {
	programs, err := cel.NewPrograms(maxFilters, "claims", "vars")
	if err != nil {
		return nil, err
	}
	return &claimRules{programs: programs}, nil
}

// check compiles everything that the providers of a receiver say.
func (c *claimRules) check(r *v1beta1.Receiver) error {
	for i, provider := range r.Spec.OIDCProviders {
		for n, variable := range provider.Variables {
			place := fmt.Sprintf("spec.oidcProviders[%d].variables[%d]", i, n)
			if !variableName.MatchString(variable.Name) {
				return fmt.Errorf("%s: %q is no name of a variable in CEL", place, variable.Name)
			}
			if _, err := c.programs.CompileValue(variable.Expression); err != nil {
				return fmt.Errorf("%s: %w", place, err)
			}
		}
		for n, validation := range provider.Validations {
			if _, err := c.programs.Compile(validation.Expression); err != nil {
				return fmt.Errorf("spec.oidcProviders[%d].validations[%d]: %w", i, n, err)
			}
		}
	}
	return nil
}

// admit checks the claims of a verified token. The error is a *deniedError.
func (c *claimRules) admit(ctx context.Context, p *v1beta1.OIDCProvider, claims map[string]any) error {
	ctx, cancel := context.WithTimeout(ctx, selectTimeout)
	defer cancel()
	variables := map[string]any{}
	known := map[string]any{"claims": claims, "vars": variables}
	for _, variable := range p.Variables {
		program, err := c.programs.CompileValue(variable.Expression)
		if err == nil {
			variables[variable.Name], err = program.Value(ctx, known)
		}
		if err != nil {
			return &deniedError{[]string{fmt.Sprintf("variable %s has no value: %s", variable.Name, err)}}
		}
	}

	denied := &deniedError{}
	for n, validation := range p.Validations {
		program, err := c.programs.Compile(validation.Expression)
		holds := false
		if err == nil {
			holds, err = program.Holds(ctx, known)
		}

		switch {
		case err != nil:
			denied.messages = append(denied.messages, fmt.Sprintf("validation %d has no answer: %s", n, err))
		case !holds:
			denied.messages = append(denied.messages, validation.Message)
		}
	}

	if len(denied.messages) > 0 || len(p.Validations) == 0 {
		return denied
	}

	return nil
}
