package cel

import (
	"strings"
	"testing"
)

// An error says what went wrong and where, and quotes nothing of the objects.
func TestErrorsQuoteNoValue(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-of-team-b"
	dep := map[string]any{
		"spec": map[string]any{
			"values": map[string]any{"password": secret, "list": []any{"a"}, "big": int64(8765432198765)},
		},
		"status": map[string]any{},
	}
	tests := []struct{ text, want string }{
		{"dep.status.lastVerified.revision > 1", "no such key: lastVerified"},
		{"dep.status.lastVerified > 1", "no such key: lastVerified"},
		{"{'a': true}[dep.spec.values.password]", "no such key"},
		{"dep[dep.spec.values.password] == 1", "no such key"},
		{"dep.spec.values[dep.spec.values.password].hunter == 1", "no such key"},
		{"int(dep.spec.values.password) == 1", "a value cannot be converted to this type"},
		{"bool(dep.spec.values.password)", "a value cannot be converted to this type"},
		{"duration(dep.spec.values.password) == duration('1s')", "a value cannot be converted to this type"},
		{
			"timestamp(dep.spec.values.password) == timestamp('2026-01-01T00:00:00Z')",
			"a value cannot be converted to this type",
		},
		{"dep.spec.values.list[dep.spec.values.big] == 'a'", "an index is out of range"},
		{"dep.spec.values.list[dep.spec.values.password] == 'a'", ""},
		{
			"dep.spec.values.password + dep.spec.values.big == ''",
			"an operator or function does not take values of these types",
		},
		{"dep.spec.values.password.matches(dep.spec.values.password + '[')", ""},
		{"'x'.charAt(dep.spec.values.big) == ''", ""},
		{"dep.spec.values.password.substring(0, dep.spec.values.big) == ''", ""},
		{"base64.decode(dep.spec.values.password) == b''", ""},
		{"dep.spec.values.big * dep.spec.values.big == 1", "a number is too large"},
		{"dep.spec.values.big / (dep.spec.values.big - dep.spec.values.big) == 1", "division by zero"},
		{"dep.spec.values.big % (dep.spec.values.big - dep.spec.values.big) == 1", "division by zero"},
	}
	language, err := NewLanguage("dep")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			program, err := language.Compile(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			_, err = program.Holds(t.Context(), map[string]any{"dep": dep})
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range []string{secret, secret[:4], "8765432198765", "8765"} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("%q is quoted: %s", part, err)
				}
			}
			if !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("got %q, want %q", err, tt.want)
			}
		})
	}
}
