package build

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The key of a generator decides the format of a file whose name does not, and a file of variables is a dotenv file.
func TestTheKeyOfAGeneratorTellsTheFormat(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	object := `{"auths": "<str auths "x">", "sops": SOPS}`
	data := `{"data": "<str data "secret\n">", "sops": SOPS}`
	text := "password: <str password \"x\">\nsops: SOPS\n"
	const printed = "{\n\t\"auths\": \"x\"\n}\n"
	for name, tt := range map[string]struct {
		generator, file, template string
		key, want                 string
	}{
		"a registry": {"files: [.dockerconfigjson=reg.encrypted]", "reg.encrypted", object, ".dockerconfigjson",
			printed},
		"JSON by its key":     {"files: [a.json=reg.encrypted]", "reg.encrypted", object, "a.json", printed},
		"YAML by its key":     {"files: [a.yml=values.encrypted]", "values.encrypted", text, "a.yml", "password: x\n"},
		"binary by its key":   {"files: [token=token.json]", "token.json", data, "token", "secret\n"},
		"JSON by its name":    {"files: [token=reg.json]", "reg.json", object, "token", printed},
		"YAML by its name":    {"files: [token=values.yaml]", "values.yaml", text, "token", "password: x\n"},
		"the key comes first": {"files: [a.yaml=token.bin]", "token.bin", data, "a.yaml", "data: |\n    secret\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := files{
				"kustomization.yaml": "secretGenerator:\n- name: s\n  " + tt.generator + "\n",
				tt.file:              s.file(t, tt.template),
			}
			objects := s.mustBuild(t, source)
			coded, _, _ := unstructured.NestedString(objects[0].Object, "data", tt.key)
			got, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(coded, "\n", ""))
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// A file of variables is a dotenv file, whatever its name ends in, and the key decides that a file is an INI file.
func TestFormatsOfFilesThatSOPSWrote(t *testing.T) {
	t.Parallel()
	const ini = "[db]\nuser     = admin\npassword = correct horse\n\n[web]\nport = 80\n"
	of := func(name string) string {
		content, err := os.ReadFile("../sops/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	source := files{
		"kustomization.yaml": "secretGenerator: [{name: s, envs: [secret.env.encrypted], files: [a.ini=ini.encrypted]}]\n" +
			"generators: [g.yaml]\n",
		"g.yaml": "apiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: other}\n" +
			"envs: [secret.env.encrypted]\nfiles: [a.ini=ini.encrypted]\n",
		"secret.env.encrypted": of("config.env"),
		"ini.encrypted":        of("config.ini"),
	}
	request := Request{Decrypt: true, Keys: map[string][]byte{"k.agekey": []byte(of("key.agekey"))}}
	response, err := request.Build(t.Context(), source.tree(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(response.Objects) != 2 {
		t.Fatalf("%d objects", len(response.Objects))
	}
	for _, object := range response.Objects {
		found := map[string]string{}
		data, _ := object.Object["data"].(map[string]any)
		for key, value := range data {
			text, _ := value.(string)
			plain, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\n", ""))
			if err != nil {
				t.Fatal(err)
			}
			found[key] = string(plain)
		}
		want := map[string]string{"USER": "admin", "PASSWORD": "correct horse", "EMPTY": "", "a.ini": ini}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
