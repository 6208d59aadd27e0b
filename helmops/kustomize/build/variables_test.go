package build

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/envsubst"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Everything that the library evaluates has the same value here.
func TestVariablesAreThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	values := map[string]string{"a": "hello/world.tar.gz", "b": "", "c": "Ähnlich", "n": "2", "star": "*/"}
	pieces := []string{
		"${a", "${b", "${c", "${gone", "}", "}", "}", ":", ":-", ":=", "=", "-", "#", "##", "%", "%%", "/", "//", "/#", "/%",
		"^", "^^", ",", ",,",
		"*", "?", "o", "hello", ".gz", "1", "-2", "99", "$$", "${n}", "${star}", "text ", "{", "[a-z]", "${#a}", "$", "Ä",
	}
	random := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for range 200_000 {
		var text strings.Builder
		for range 1 + random.IntN(7) {
			text.WriteString(pieces[random.IntN(len(pieces))])
		}
		want, wantErr := envsubst.Eval(text.String(), func(name string) (string, bool) { return values[name], true })
		got, err := (&variables{values: values}).evaluate(text.String())
		if (err != nil) != (wantErr != nil) || err == nil && got != want {
			t.Fatalf("%q is %q, %v; the library says %q, %v", text.String(), got, err, want, wantErr)
		}
		if err == nil && got != text.String() {
			compared++
		}
	}
	if compared < 1000 {
		t.Errorf("only %d texts had variables", compared)
	}
}

func TestSubstringBounds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"${v:2:9223372036854775807}": "cdef", "${v:9223372036854775807:1}": "", "${v:4:-3}": "", "${v:9:-1}": "",
	} {
		got, err := (&variables{values: map[string]string{"v": "abcdef"}}).evaluate(text)
		if err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", text, got, err, want)
		}
	}
}

// What a short text stands for is reckoned before it is made.
func TestVariablesAreBounded(t *testing.T) {
	large := strings.Repeat("a", 16<<10)
	for name, tt := range map[string]struct{ text, value, want string }{
		"every letter becomes the whole":    {"${v//a/${v}}", large, "more than"},
		"within another":                    {"${v//a/${v//a/bb}}", large, "more than"},
		"an empty text is replaced":         {"${v//${gone}/${v}}", large, "more than"},
		"many times the same":               {strings.Repeat("${v}", 4000), large, "more than"},
		"a default that counts many times":  {"${gone:-" + strings.Repeat("${v}", 4000) + "}", large, "more than"},
		"a pattern that is compared often":  {"${v%%*b*c}", large + large, "too expensive"},
		"a pattern for many shorter values": {strings.Repeat("${v%%*b*c}", 2000), large[:1<<10], "too expensive"},
		"variables without end":             {strings.Repeat("${w}", maxVariables+1), "", "variables"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Build(t.Context(), files{"a.yaml": configMap("x", "'"+tt.text+"'")}.tree(t), Options{
				Variables: map[string]string{"v": tt.value}, Overlay: v1beta1.Overlay{PostBuild: &v1beta1.PostBuild{}},
			})
			runtime.ReadMemStats(&after)
			var known *Error
			if !errors.As(err, &known) || known.Reason() != v1beta1.RenderingLimitExceededReason ||
				!strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
			if !strings.Contains(err.Error(), "a.yaml: ConfigMap x") {
				t.Errorf("the error does not name the file and the object: %v", err)
			}
			if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 224 {
				t.Errorf("%d MiB were allocated", got)
			}
		})
	}
}
