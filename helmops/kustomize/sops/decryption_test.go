package sops

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// The files of testdata were encrypted by the library of SOPS 3.13.3 for keys made for these tests.

func file(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func keys(t *testing.T, names ...string) *Keys {
	t.Helper()
	secret := map[string][]byte{"README": []byte("left out")}
	for _, name := range names {
		secret[name] = file(t, name)
	}
	k, err := NewKeys(secret, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestFilesOfSOPS(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, plain, key string }{
		{"secret.yaml", "plain-secret.yaml", "key.agekey"},
		{"pgp.yaml", "plain-secret.yaml", "key.asc"},
		{"two.yaml", "plain-two.yaml", "key.agekey"},
		{"only.yaml", "plain-only.yaml", "key.agekey"},
		{"config.json", "plain-config.json", "key.agekey"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := keys(t, "other.agekey", tt.key).Decrypt("apps/"+tt.name, file(t, tt.name))
			if err != nil {
				t.Fatal(err)
			}
			wants, gots := strings.Split(string(file(t, tt.plain)), "\n---\n"), strings.Split(string(got), "\n---\n")
			if len(wants) != len(gots) {
				t.Fatalf("%d documents, want %d:\n%s", len(gots), len(wants), got)
			}
			for i := range wants {
				if diff := cmp.Diff(values(t, wants[i]), values(t, gots[i])); diff != "" {
					t.Errorf("document %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func values(t *testing.T, text string) (out map[string]any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Every type of value comes back as what it was, also in lists.
func TestTypesOfValues(t *testing.T) {
	t.Parallel()
	got, err := keys(t, "key.agekey").Decrypt("all.yaml", file(t, "all.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want, is := values(t, string(file(t, "plain-all.yaml"))), values(t, string(got))
	wantSpec, spec := want["spec"].(map[string]any), is["spec"].(map[string]any) //nolint:forcetypeassert // the fixture has it
	wantList, list := wantSpec["list"].([]any), spec["list"].([]any)             //nolint:forcetypeassert // the fixture has it
	delete(wantSpec, "list")
	delete(spec, "list")
	if diff := cmp.Diff(want, is); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, item := range wantList {
		found := false
		for _, other := range list {
			found = found || cmp.Equal(item, other) ||
				strings.HasPrefix(fmt.Sprint(item), "map[deep:y") &&
					strings.HasPrefix(fmt.Sprint(other), "map[deep:y when:2026-01-02")
		}
		if !found {
			t.Errorf("%v is missing in %v", item, list)
		}
	}
}

func TestOtherFormats(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"config.env": "# a comment\nUSER=admin\nPASSWORD=correct horse\nEMPTY=\n",
		"config.ini": "[db]\nuser     = admin\npassword = correct horse\n\n[web]\nport = 80\n",
		"token.txt":  string(file(t, "plain-token.txt")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := keys(t, "key.agekey").Decrypt(name, file(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	secret := file(t, "secret.yaml")
	moved := bytes.Replace(bytes.Replace(secret, []byte("    password:"), []byte("    passw0rd:"), 1),
		[]byte("immutable: true"), []byte("immutable: true"), 1)
	for _, tt := range []struct {
		name    string
		keys    []string
		content []byte
		want    string
	}{
		{"another key", []string{"other.agekey"}, secret, "none of the private keys fits; it is encrypted for age1"},
		{"a PGP key for what is encrypted for age", []string{"key.asc"}, secret, "none of the private keys fits"},
		{"no key", nil, secret, "none of the private keys fits"},
		{
			"a plain value was changed", []string{"key.agekey"},
			bytes.Replace(secret, []byte("name: db"), []byte("name: xx"), 1), "its MAC does not match",
		},
		{"a value was moved", []string{"key.agekey"}, moved, "the value of stringData.passw0rd was changed or moved"},
		{"a value was left out", []string{"key.agekey"}, withoutLine(secret, "    lines:"), "its MAC does not match"},
		{"it was cut off", []string{"key.agekey"}, secret[:bytes.Index(secret, []byte("    mac:"))], "its MAC is missing"},
		{
			"the metadata is gone", []string{"key.agekey"}, secret[:bytes.Index(secret, []byte("sops:"))],
			"its sops metadata is missing",
		},
		{"it is no YAML", []string{"key.agekey"}, []byte("{hunter2: [}\n"), "it is not YAML"},
		{
			"split between groups", []string{"key.agekey"},
			bytes.Replace(secret, []byte("sops:\n"), []byte("sops:\n    shamir_threshold: 2\n"), 1), "split between groups",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := keys(t, tt.keys...).Decrypt("secret.yaml", tt.content)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %q and error %v, want %q", got, err, tt.want)
			}
			for _, hidden := range []string{"correct horse", "hunter2", "AGE-SECRET-KEY"} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("the error tells %q: %v", hidden, err)
				}
			}
		})
	}
}

func withoutLine(content []byte, prefix string) []byte {
	var out [][]byte
	for _, line := range bytes.Split(content, []byte("\n")) {
		if !bytes.HasPrefix(line, []byte(prefix)) {
			out = append(out, line)
		}
	}
	return bytes.Join(out, []byte("\n"))
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"bad.agekey": "AGE-SECRET-KEY-hunter2", "bad.asc": "hunter2"} {
		if _, err := NewKeys(map[string][]byte{name: []byte(content)}, nil); err == nil ||
			!strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	secret, err := os.ReadFile(filepath.Join("testdata", "key.agekey"))
	if err != nil {
		f.Fatal(err)
	}
	k, err := NewKeys(map[string][]byte{"key.agekey": secret}, func(string) {})
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"secret.yaml", "config.json", "config.env", "config.ini", "token.txt"} {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, content)
	}
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		for _, decrypt := range []func(string, []byte) ([]byte, error){k.Decrypt, k.DecryptObjects} {
			plain, err := decrypt(name, content)
			if err != nil && len(plain) > 0 {
				t.Errorf("content comes with the error %v", err)
			}
		}
	})
}
