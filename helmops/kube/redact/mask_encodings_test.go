package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// sample has characters that every encoding writes in its own way.
const sample = "p@ss wörd/of 'team' \"b\"\\+7"

func encodings(t *testing.T, secret string) map[string]string {
	t.Helper()
	asJSON, err := json.Marshal(map[string]string{"a": secret})
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(map[string]string{"a": secret})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"plain": secret, "upper": strings.ToUpper(secret), "lower": strings.ToLower(secret),
		"Go":            strconv.Quote(secret),
		"Go in ASCII":   strconv.QuoteToASCII(secret),
		"twice quoted":  strconv.Quote(strconv.Quote(secret)),
		"JSON":          string(asJSON),
		"YAML":          string(asYAML),
		"single quotes": "'" + strings.ReplaceAll(secret, "'", "''") + "'",
		"query":         url.QueryEscape(secret),
		"path":          url.PathEscape(secret),
		"small escapes": lowerEscapes(url.QueryEscape(secret)),
		"user":          "postgres://" + url.UserPassword("u", secret).String() + "@db/x",
		"hex":           hex.EncodeToString([]byte(secret)),
		"HEX":           strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"bytes":         fmt.Sprint([]byte(secret)), //nolint:staticcheck // the numbers are wanted
		"base64":        base64.StdEncoding.EncodeToString([]byte(secret)),
		"base64 raw":    base64.RawStdEncoding.EncodeToString([]byte(secret)),
		"base64 URL":    base64.URLEncoding.EncodeToString([]byte(secret)),
		"base64 in 1":   base64.StdEncoding.EncodeToString([]byte("u" + secret + "x")),
		"base64 in 2":   base64.StdEncoding.EncodeToString([]byte("us" + secret + "xy")),
		"base64 in 3":   base64.RawURLEncoding.EncodeToString([]byte("use" + secret + "xyz")),
		"base64 of u:p": base64.StdEncoding.EncodeToString([]byte("user:" + secret)),
		"cut":           secret[:len(secret)-3] + "…",
		"cut by dots":   secret[:9] + "...",
		"cut base64":    base64.StdEncoding.EncodeToString([]byte(secret))[:12] + "...",
		"cut at an end": secret[:12],
	}
}

// traces are what is left of a secret in a text: parts of it in any encoding that is easily undone.
func traces(secret string) []string {
	var out []string
	for _, part := range []string{secret[:5], secret[len(secret)/2 : len(secret)/2+5], secret[len(secret)-5:]} {
		out = append(out, part, strings.ToUpper(part), hex.EncodeToString([]byte(part)))
		for shift := range 3 {
			encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), part...))
			out = append(out, encoded[2*min(shift, 1)+shift/2:(shift+5)*8/6])
		}
	}
	return out
}

func TestMaskKnowsEncodings(t *testing.T) {
	t.Parallel()
	mask := NewMask(map[string]any{"password": sample})
	for name, text := range encodings(t, sample) {
		got := mask.Apply("field: Invalid value: " + text)
		if !strings.HasPrefix(got, "field: Invalid value: ") || !strings.Contains(got, hidden) {
			t.Errorf("%s: %q becomes %q", name, text, got)
		}
		for _, trace := range traces(sample) {
			if strings.Contains(got, trace) {
				t.Errorf("%s: %q is left of the secret in %q", name, trace, got)
			}
		}
	}
}

func TestMaskOfShortAndWrappedSecrets(t *testing.T) {
	t.Parallel()
	registry := `{"auths":{"registry":{"password":"correct-horse","auth":"` +
		base64.StdEncoding.EncodeToString([]byte("me:battery")) + `"}}}`
	tests := []struct{ name, secret, text, want string }{
		{"a short one in quotes", "ab", `Invalid value: "ab": cab`, "Invalid value: ***: cab"},
		{"a short one in base64", "abc", `got "YWJj"`, "got ***"},
		{"a single byte says nothing", "a", `Invalid value: "a"`, `Invalid value: "a"`},
		{
			"a part of the credentials of a registry", registry, "login with correct-horse and battery failed",
			"login with *** and *** failed",
		},
		{
			"the password of a URL", "postgres://u:correct-horse@db/x", "password correct-horse is wrong",
			"password *** is wrong",
		},
		{
			"what was encoded in the Secret", base64.StdEncoding.EncodeToString([]byte("correct-horse")), "correct-horse", "***",
		},
		{"two that overlap", "abcdef\ncdefgh", "xabcdefghx", "x***x"},
		{"one byte after the other", "abcd", "abcabcd", "abc***"},
		{"the beginning of something else", "abcdef", "abc...", "abc..."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := NewMask(tt.secret).Apply(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMasksJoin(t *testing.T) {
	t.Parallel()
	one, other := NewMask("hunter2"), NewMask("battery")
	for _, mask := range []Mask{
		one.Join(other), other.Join(one), one.Join(Mask{}).Join(other), (Mask{}).Join(one.Join(other)),
	} {
		if got := mask.Apply("hunter2 battery"); got != "*** ***" {
			t.Errorf("got %q", got)
		}
	}
}

// A mask that cannot look for all of its secrets lets no text through.
func TestTooManySecretsWithholdTheText(t *testing.T) {
	t.Parallel()
	many := make([]any, maxSecrets+1)
	for i := range many {
		many[i] = fmt.Sprintf("secret-%d", i)
	}
	for _, mask := range []Mask{NewMask(many), NewMask(strings.Repeat("x", maxSecretBytes+1))} {
		if got := mask.Apply("secret-1 failed"); got != withheld {
			t.Errorf("got %q", got)
		}
	}
}

// Secrets that begin alike cost no more than others.
func TestMaskIsBounded(t *testing.T) {
	t.Parallel()
	var many []any
	for i := range 1000 {
		many = append(many, strings.Repeat("a", 4+i))
	}
	got := NewMask(many).Apply(strings.Repeat("a", 20_000) + strings.Repeat("...", 5000))
	if strings.Contains(got, "a") {
		t.Errorf("something is left: %.100q", got)
	}
}

func TestSecretContent(t *testing.T) {
	t.Parallel()
	secret := map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"data":       map[string]any{"a": "aHVudGVyMg==", "b": "not base64!", "c": map[string]any{"d": "nested"}},
		"stringData": map[string]any{"e": "battery", "n": int64(12345678)},
	}
	mask := NewMask(SecretContent(secret)...)
	if got := mask.Apply(
		"hunter2, aHVudGVyMg==, not base64!, nested, battery, 12345678"); got != "***, ***, ***, ***, ***, ***" {
		t.Errorf("got %q", got)
	}
	secret["kind"] = "ConfigMap"
	if got := SecretContent(secret); got != nil {
		t.Errorf("a ConfigMap counts as secret: %v", got)
	}
}

func FuzzMask(f *testing.F) {
	f.Add(sample, "us", "ing: ")
	f.Add("aaaaaa", "a", "a...")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		secret = strings.TrimSpace(secret)
		if len(secret) < minMasked || strings.Contains(hidden, secret) {
			t.Skip()
		}
		mask := NewMask(secret)
		for _, text := range []string{
			before + secret + after, before + strconv.Quote(secret) + after, before + url.QueryEscape(secret) + after,
			before + hex.EncodeToString([]byte(secret)) + after,
			base64.StdEncoding.EncodeToString([]byte(before + secret + after)),
		} {
			got := mask.Apply(text)
			if !strings.Contains(got, hidden) {
				t.Errorf("nothing is hidden in %q", text)
			}
		}
	})
}
