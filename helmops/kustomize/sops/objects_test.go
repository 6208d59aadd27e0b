package sops

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// Every text, as a key and as a value, is read as itself by the parsers of both versions of YAML.
func FuzzTextsOfObjects(f *testing.F) {
	for _, text := range []string{
		"NO", "on", "y", "1_000", "0o17", "1:30", "\tx\ny", "x\n\ty\n",
		"\u0085", "\u007f", "\ufeff", "\u2028", "😀", "\x00", "\r\n",
		"---\n", "${a}", "${a: b}", "a: b", "# no", "`\"'", "=", "<<",
		"!!binary", "2026-01-02", strings.Repeat("long ", 300), "\uffff", "\\n", "\n0",
	} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		document := branch{
			{key: "x", value: branch{{key: key, value: value}}},
			{key: "list", value: list{value, "${" + value, branch{}, list{}}},
		}
		text, err := writeObjects([]branch{document})
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			if err == nil {
				t.Fatalf("what is not UTF-8 became %q", text)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}

		var node yaml.Node
		if err := yaml.Unmarshal(text, &node); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		want := map[string]any{"x": map[string]any{key: value}, "list": []any{value, "${" + value, map[string]any{}, []any{}}}
		for version, read := range map[string]func(*yaml.Node) (any, error){"1.1": version11, "1.2": version12} {
			got, err := read(&node)
			if err != nil {
				t.Fatalf("YAML %s: %v: %s", version, err, text)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("YAML %s (-want +got):\n%s\n%s", version, diff, text)
			}
		}
	})
}

// What cannot be a value of an object is refused by the name of its field, without its content.
func TestWhatNoObjectCanHave(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		document branch
		want     string
	}{
		"bytes": {
			branch{{key: "a", value: list{branch{{key: "b", value: "hunter2\xff"}}}}}, "the value of a.b is not UTF-8",
		},
		"a key of bytes": {
			branch{{key: "a", value: branch{{key: "hunter2\xff", value: "x"}}}}, "the value of a.(a key) is not UTF-8",
		},
		"no number": {branch{{key: "a", value: nan()}}, "the value of a is not a number that JSON can have"},
	} {
		got, err := writeObjects([]branch{tt.document})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func nan() float64 {
	zero := 0.0
	return zero / zero
}

// Files that no version of SOPS writes are refused, and nested ones before they exhaust the stack.
func TestFilesThatAreNotOfSOPS(t *testing.T) {
	t.Parallel()
	k := keys(t, "key.agekey")
	const tail = "\nsops: {mac: x}\n"
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	for name, tt := range map[string]struct{ file, content, want string }{
		"a list":           {"a.yaml", "- a\n", "neither empty nor a mapping"},
		"a key twice":      {"a.yaml", "a: hunter2\na: x" + tail, "a key twice"},
		"a number as key":  {"a.yaml", "1: hunter2" + tail, "a key that is not a text"},
		"an alias":         {"a.yaml", "a: &a hunter2\nb: *a" + tail, "it has an alias"},
		"nested":           {"a.yaml", "a: " + deep + tail, "nested too deeply"},
		"no object":        {"a.json", `["hunter2"]`, "not a JSON object"},
		"cut off":          {"a.json", `{"a": "hunter2", "sops": {"mac": "x"}`, "not a JSON object"},
		"two objects":      {"a.json", `{"a": "hunter2"} {}`, "not a JSON object"},
		"nested JSON":      {"a.json", `{"a": ` + deep + "}", "nested too deeply"},
		"a number":         {"a.json", `{"a": 1e999}`, "a number that is too large"},
		"YAML, not binary": {"a.txt", "data: hunter2" + tail, "no binary file of sops"},
		"a line":           {"a.env", "hunter2\nsops_mac=x\n", "has no ="},
		"no INI":           {"a.ini", "[hunter2\n", "not an INI file"},
		"no metadata":      {"a.ini", "[a]\nb = hunter2\n", "its sops metadata is missing"},
	} {
		for _, decrypt := range []func(string, []byte) ([]byte, error){k.Decrypt, k.DecryptObjects} {
			got, err := decrypt(tt.file, []byte(tt.content))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
}
