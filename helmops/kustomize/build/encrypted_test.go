package build

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
)

// sealer writes files in the format of SOPS. That it is that format is what the tests of the package decryption hold.
type sealer struct {
	identity *age.X25519Identity
	gcm      cipher.AEAD
	key      []byte
}

func newSealer(t *testing.T) *sealer {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	s := &sealer{identity: identity, key: bytes.Repeat([]byte{7}, 32)}
	block, err := aes.NewCipher(s.key)
	if err != nil {
		t.Fatal(err)
	}
	if s.gcm, err = cipher.NewGCMWithNonceSize(block, 32); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sealer) value(plain, kind, where string) string {
	iv := bytes.Repeat([]byte{9}, 32)
	sealed := s.gcm.Seal(nil, iv, []byte(plain), []byte(where))
	text := base64.StdEncoding.EncodeToString
	tag := len(sealed) - 16
	return fmt.Sprintf("ENC[AES256_GCM,data:%s,iv:%s,tag:%s,type:%s]",
		text(sealed[:tag]), text(iv), text(sealed[tag:]), kind)
}

// hole is where a template has a value: its type, its path and a text of Go.
var hole = regexp.MustCompile(`<(str|int|float|bool) ([^ ]+) ([^>]*)>`)

// file fills a template. SOPS, where it has it, becomes the metadata. The MAC is over encrypted values only.
func (s *sealer) file(t *testing.T, template string) string {
	t.Helper()
	const constant = "8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69" // of the format
	salt, err := hex.DecodeString(constant)
	if err != nil {
		t.Fatal(err)
	}
	mac := sha512.New()
	mac.Write(salt)
	text := hole.ReplaceAllStringFunc(template, func(found string) string {
		m := hole.FindStringSubmatch(found)
		plain := m[3]
		if m[1] == "str" {
			if plain, err = strconv.Unquote(m[3]); err != nil {
				t.Fatalf("%s: %v", m[3], err)
			}
		}
		mac.Write([]byte(plain))
		return s.value(plain, m[1], strings.ReplaceAll(m[2], ".", ":")+":")
	})

	var key bytes.Buffer
	armored := armor.NewWriter(&key)
	w, err := age.Encrypt(armored, s.identity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(s.key); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := armored.Close(); err != nil {
		t.Fatal(err)
	}
	const modified = "2026-01-02T03:04:05Z"
	metadata, err := json.Marshal(map[string]any{
		"age":          []any{map[string]any{"recipient": s.identity.Recipient().String(), "enc": key.String()}},
		"lastmodified": modified, "mac_only_encrypted": true, "version": "3.13.3",
		"mac": s.value(fmt.Sprintf("%X", mac.Sum(nil)), "str", modified),
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(text, "SOPS", string(metadata))
}

func (s *sealer) build(t *testing.T, source files) ([]Object, error) {
	t.Helper()
	request := Request{Decrypt: true, Keys: map[string][]byte{"k.agekey": []byte(s.identity.String())}}
	response, err := request.Build(t.Context(), source.tree(t), nil)
	return response.Objects, err
}

func (s *sealer) mustBuild(t *testing.T, source files) []Object {
	t.Helper()
	objects, err := s.build(t, source)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// Files of generators have the bytes that SOPS prints, in a Secret and in a ConfigMap, also when they are no text,
// and also when the same file is a resource.
func TestEncryptedFilesOfGeneratorsAreAsSOPSPrintsThem(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	secret := s.file(t, "kind: Secret\napiVersion: v1\nmetadata:\n    name: <str metadata.name \"both\">\nsops: SOPS\n")
	source := files{
		"kustomization.yaml": "generatorOptions: {disableNameSuffixHash: true}\nresources: [both.yaml]\n" +
			"secretGenerator: [{name: s, files: [token.bin, values.yaml, both.yaml], envs: [shop.env]}]\n" +
			"configMapGenerator: [{name: m, files: [token.bin, values.yaml]}]\n",
		"both.yaml": secret,
		"token.bin": s.file(t, `{"data": "<str data "\x00\x80\xffabc">", "sops": SOPS}`),
		"values.yaml": s.file(t, "country: <str country \"NO\">\nswitch: <str switch \"on\">\n"+
			"letter: <str letter \"y\">\n"+
			"tab: <str tab \"\\tx\\ny\">\nnumber: <float number 18446744073709552000>\nsops: SOPS\n"),
		"shop.env": "A=plain\n",
	}
	const values = "country: \"NO\"\nswitch: \"on\"\nletter: \"y\"\ntab: \"\\tx\\ny\"\nnumber: 1.8446744073709552e+19\n"
	base64Of := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

	found := map[string]any{}
	for _, object := range s.mustBuild(t, source) {
		data, _ := object.Object["data"].(map[string]any)
		for key, value := range data {
			if text, is := value.(string); is && object.GetKind() == "Secret" {
				data[key] = strings.ReplaceAll(text, "\n", "") // kustomize folds it
			}
		}
		found[object.GetKind()+" "+object.GetName()] = map[string]any{
			"data": object.Object["data"], "binaryData": object.Object["binaryData"],
		}
	}
	want := map[string]any{
		"Secret both": map[string]any{"data": nil, "binaryData": nil},
		"Secret s": map[string]any{"binaryData": nil, "data": map[string]any{
			"token.bin": base64Of("\x00\x80\xffabc"), "values.yaml": base64Of(values), "A": base64Of("plain"),
			"both.yaml": base64Of("kind: Secret\napiVersion: v1\nmetadata:\n    name: both\n"),
		}},
		"ConfigMap m": map[string]any{
			"binaryData": map[string]any{"token.bin": base64Of("\x00\x80\xffabc")},
			"data":       map[string]any{"values.yaml": values},
		},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Objects in encrypted files have the values that were encrypted, with kustomize and without.
func TestEncryptedObjectsHaveTheirValues(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	want := map[string]any{
		"country": "NO", "switch": "on", "letter": "y", "octal": "0o17", "tab": "\tx", "tabs": "a\n\tb\n",
		"next": "a\u0085b", "delete": "\u007f", "mark": "\ufeffx", "separator": "---\na: b\n",
		"empty": "", "null": "null", "date": "2026-01-02", "long": strings.Repeat("long ", 60),
		"large":  int64(9223372036854775807),
		"larger": 18446744073709551616.0, "tenth": 0.1, "whole": int64(1), "yes": true,
	}
	content := s.release(t, want)
	exact := maps.Clone(want)
	delete(exact, "large") // a JSON patch of kustomize makes a fraction of it, in every manifest
	withTab := map[string]any{"tab": "\tx\ny", "tabs": "\t\t\n\t"}
	tabs := s.release(t, withTab)
	const resource = "resources: [a.yaml]\nnamePrefix: x-\n"

	for name, tt := range map[string]struct {
		source files
		want   map[string]any
	}{
		"plain":         {files{"a.yaml": content}, want},
		"tabs":          {files{"a.yaml": tabs}, withTab},
		"resource":      {files{"kustomization.yaml": resource, "a.yaml": content}, want},
		"resource tabs": {files{"kustomization.yaml": resource, "a.yaml": tabs}, withTab},
		"component": {files{
			"kustomization.yaml": "components: [c]\n", "c/a.yaml": content,
			"c/kustomization.yaml": "kind: Component\nresources: [a.yaml]\n",
		}, want},
		"patch": {files{
			"kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.yaml}]\n", "p.yaml": content,
			"a.yaml": "apiVersion: fairlead.dev/v1beta1\nkind: HelmRelease\nmetadata: {name: r}\nspec: {}\n",
		}, want},
		"changed by a JSON patch": {files{
			"kustomization.yaml": "resources: [a.yaml]\npatches:\n- target: {kind: HelmRelease}\n" +
				`  patch: '[{"op": "add", "path": "/spec/x", "value": "y"}]'` + "\n", "a.yaml": s.release(t, exact),
		}, exact},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, err := unstructured.NestedMap(s.mustBuild(t, tt.source)[0].Object, "spec", "values")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// release encrypts a HelmRelease with values.
func (s *sealer) release(t *testing.T, values map[string]any) string {
	t.Helper()
	template := "apiVersion: fairlead.dev/v1beta1\nkind: HelmRelease\nmetadata:\n  name: r\nspec:\n  values:\n"
	for key, value := range values {
		where := "spec.values." + key
		switch value := value.(type) {
		case string:
			quoted := strings.ReplaceAll(strconv.QuoteToASCII(value), ">", `\x3e`)
			template += fmt.Sprintf("    %q: <str %s %s>\n", key, where, quoted)
		case int64:
			template += fmt.Sprintf("    %q: <int %s %d>\n", key, where, value)
		case float64:
			template += fmt.Sprintf("    %q: <float %s %s>\n", key, where, strconv.FormatFloat(value, 'f', -1, 64))
		case bool:
			template += fmt.Sprintf("    %q: <bool %s True>\n", key, where)
		}
	}
	return s.file(t, template+"sops: SOPS\n")
}

// kustomize itself cannot read some texts again when a JSON patch changes their object. That is an error, not another
// text.
func TestTextThatKustomizeCannotRead(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	_, err := s.build(t, files{
		"kustomization.yaml": "resources: [a.yaml]\npatches:\n- target: {kind: ConfigMap}\n" +
			`  patch: '[{"op": "add", "path": "/data/x", "value": "y"}]'` + "\n",
		"a.yaml": s.file(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n"+
			"data: {a: '<str data.a \"\\thunter2\\ny\">'}\nsops: SOPS\n"),
	})
	refused(t, err, "found a tab character")
}

// refused checks that an error says something, and nothing of the content.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got the error %v, want %q", err, want)
	}
}

// Bytes that are not text are where Kubernetes has bytes, or they are refused by the name of their field.
func TestEncryptedBytesInObjects(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	object := func(kind, field string) string {
		return s.file(t, fmt.Sprintf("apiVersion: v1\nkind: %s\nmetadata:\n  name: x\n%s:\n"+
			"  text: <str %s.text \"hi\">\n"+
			"  key: <str %s.key \"hunter2\\x80\\xff\">\nsops: SOPS\n", kind, field, field, field))
	}
	coded := base64.StdEncoding.EncodeToString([]byte("hunter2\x80\xff"))
	for _, tt := range []struct{ kind, from, to string }{
		{"Secret", "stringData", "data"}, {"Secret", "data", "data"},
		{"ConfigMap", "data", "binaryData"}, {"ConfigMap", "binaryData", "binaryData"},
	} {
		for _, source := range []files{
			{"a.yaml": object(tt.kind, tt.from)},
			{"a.yaml": object(tt.kind, tt.from), "kustomization.yaml": "resources: [a.yaml]\n"},
		} {
			objects := s.mustBuild(t, source)
			got, _, err := unstructured.NestedString(objects[0].Object, tt.to, "key")
			if err != nil || got != coded {
				t.Errorf("%s of a %s: %s.key is %q, %v", tt.from, tt.kind, tt.to, got, err)
			}
			text, _, err := unstructured.NestedString(objects[0].Object, tt.from, "text")
			if err != nil || text != "hi" {
				t.Errorf("%s of a %s: its text is %q, %v", tt.from, tt.kind, text, err)
			}
		}
	}

	_, err := s.build(t, files{"a.yaml": object("Widget", "data")})
	refused(t, err, "a.yaml: the value of data.key is not UTF-8")
	if known, is := errors.AsType[*Error](err); !is || known.Reason() != v1beta1.DecryptionFailedReason {
		t.Errorf("the reason of %v is another", err)
	}
}

// The mask of messages gets the bytes that were decrypted, also from another process and when they are no text.
func TestOpenedValuesAreBytes(t *testing.T) {
	s := newSealer(t)
	source := files{"a.yaml": s.file(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n"+
		"data: {a: '<str data.a \"\\x00\\x80\\xffabc\">', b: '<str data.b \"text\">'}\nsops: SOPS\n")}
	request := Request{Decrypt: true, Keys: map[string][]byte{"k.agekey": []byte(s.identity.String())}}
	response, err := builder(t).Build(t.Context(), "fleet", source.tree(t), request)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"\x00\x80\xffabc", "text"}, response.Opened); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
