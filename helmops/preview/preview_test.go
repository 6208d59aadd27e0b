package preview

import (
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/diff"
)

const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: apps}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {annotations: {checksum: "1"}}
    spec:
      containers:
      - name: web
        image: web:1
        resources: {requests: {cpu: 100m, memory: 1Gi}}
`

const login = `
apiVersion: v1
kind: Secret
metadata: {name: login}
data: {password: aHVudGVyMg==}
`

func documents(of ...string) string { return strings.Join(of, "---\n") }

// of previews a change of one rendering to another that is the same each time.
func of(t *testing.T, from, to string) Preview {
	t.Helper()
	return previewed(
		t,
		Input{From: Rendering{Manifest: from}, To: Rendering{Manifest: to}, Again: Rendering{Manifest: to}},
	)
}

func previewed(t *testing.T, in Input) Preview {
	t.Helper()
	in.Namespace = "apps"
	p, err := Of(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNothingChanges(t *testing.T) {
	t.Parallel()
	p := of(t, documents(web, login), documents(login, web))
	if len(p.Objects) > 0 || p.Same != 2 || p.Risk != None || len(p.Images) > 0 || p.Requests.CPU.Changes() {
		t.Errorf("the preview is %+v", p)
	}
}

func TestAnUpgrade(t *testing.T) {
	t.Parallel()
	to := strings.NewReplacer("web:1", "web:2", "replicas: 2", "replicas: 3").Replace(web)
	p := of(t, documents(web, login), documents(to, strings.Replace(login, "name: login", "name: other", 1)))

	if p.Risk != Restart || p.Same != 0 {
		t.Errorf("risk %s, %d are the same", p.Risk, p.Same)
	}

	var objects []string
	for _, o := range p.Objects {
		objects = append(objects, o.Change+" "+o.Ref())
	}
	if want := []string{
		"changed Deployment web",
		"deleted Secret login",
		"created Secret other",
	}; !slices.Equal(
		objects,
		want,
	) {
		t.Errorf("the objects are %q, want %q", objects, want)
	}

	if want := []Image{{"Deployment web", "web", "web:1", "web:2"}}; !slices.Equal(p.Images, want) {
		t.Errorf("the images are %+v", p.Images)
	}

	cpu, memory := p.Requests.CPU, p.Requests.Memory
	if cpu.From.String() != "200m" || cpu.To.String() != "300m" || memory.From.String() != "2Gi" ||
		memory.To.String() != "3Gi" {
		t.Errorf("the requests are %+v", p.Requests)
	}
}

// What a chart makes at random is neither a change nor in the digest, and pods that restart because of it do so with
// every upgrade.
func TestWhatChangesByItself(t *testing.T) {
	t.Parallel()
	first := documents(web, login)
	second := documents(web, strings.Replace(login, "aHVudGVyMg==", "aHVudGVyMw==", 1))
	in := Input{From: Rendering{Manifest: first}, To: Rendering{Manifest: second}, Again: Rendering{Manifest: first}}
	p := previewed(t, in)
	if len(p.Objects) > 0 || p.Same != 2 {
		t.Errorf("the objects are %+v", p.Objects)
	}
	if want := []UnstableField{{"Secret login", ".data.password"}}; !slices.Equal(p.Unstable, want) {
		t.Errorf("unstable is %+v, want %+v", p.Unstable, want)
	}

	same := of(t, first, first)
	in.To, in.Again = in.Again, in.To
	if got, want := p.Digest(Inputs{}), previewed(t, in).Digest(Inputs{}); got != want {
		t.Errorf("the digests of the same change are %s and %s", got, want)
	}
	if same.Digest(Inputs{}) == p.Digest(Inputs{}) {
		t.Error("a chart that makes a password has the digest of one that has a fixed one")
	}

	in.Again.Manifest = documents(strings.Replace(web, `checksum: "1"`, `checksum: "2"`, 1), login)
	in.To.Manifest = first
	in.From.Manifest = documents(strings.Replace(web, `checksum: "1"`, `checksum: "0"`, 1), login)
	p = previewed(t, in)
	if p.Risk != Restart || len(p.Objects) != 1 || len(p.Objects[0].Fields) != 0 {
		t.Errorf("a checksum that changes with each rendering: %s, %+v", p.Risk, p.Objects)
	}

	in.Again.Manifest = documents(web, strings.Replace(login, "name: login", "name: login-x7", 1))
	in.From.Manifest = documents(web, strings.Replace(login, "name: login", "name: login-b3", 1))
	p = previewed(t, in)
	if want := []UnstableField{{Object: "Secret login"}, {Object: "Secret login-x7"}}; !slices.Equal(p.Unstable, want) {
		t.Errorf("unstable is %+v, want %+v", p.Unstable, want)
	}
}

func TestTheDigestCoversWhatRuns(t *testing.T) {
	t.Parallel()
	inputs := Inputs{From: 3, Chart: "sha256:c", Config: "sha256:v", Render: "r", KubeVersion: "v1.37.0"}
	digest := of(t, web, web).Digest(inputs)
	if again := of(t, "", web).Digest(inputs); again != digest {
		t.Error("it depends on what runs, which the revision stands for")
	}

	other := []struct {
		name   string
		to     string
		change func(*Inputs)
	}{
		{"another object", documents(web, login), func(*Inputs) {}},
		{"another field", strings.Replace(web, "web:1", "web:2", 1), func(*Inputs) {}},
		{"another revision", web, func(i *Inputs) { i.From = 4 }},
		{"another chart", web, func(i *Inputs) { i.Chart = "sha256:d" }},
		{"other values", web, func(i *Inputs) { i.Config = "sha256:w" }},
		{"another post renderer", web, func(i *Inputs) { i.Render = "" }},
		{"another Kubernetes", web, func(i *Inputs) { i.KubeVersion = "v1.38.0" }},
	}
	for _, tt := range other {
		changed := inputs
		tt.change(&changed)
		if of(t, web, tt.to).Digest(changed) == digest {
			t.Errorf("%s has the same digest", tt.name)
		}
	}

	hook := Rendering{Manifest: web, Hooks: []string{"kind: Job\nmetadata: {name: migrate}\n"}}
	with := previewed(t, Input{From: hook, To: hook, Again: hook})
	if with.Digest(inputs) == digest {
		t.Error("a hook is not in the digest")
	}
}

func TestKeptObjectsAreNoRisk(t *testing.T) {
	t.Parallel()
	claim := "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n"
	kept := []v1beta1.KeptObject{
		{Kind: "PersistentVolumeClaim", Namespace: "apps", Name: "data", Reason: "it holds data"},
	}
	empty := Rendering{}
	p := previewed(t, Input{From: Rendering{Manifest: claim}, To: empty, Again: empty, Kept: kept})
	if p.Risk != None || len(p.Objects) != 1 || p.Objects[0].Kept != "it holds data" ||
		p.Objects[0].Change != diff.Deleted {
		t.Errorf("the preview is %s, %+v", p.Risk, p.Objects)
	}
}

// No field, reason or image shows what is in a Secret of the manifests or what the mask hides.
func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	role := "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\nrules:\n- {apiGroups: [''], resources: [hunter2], verbs: [get]}\n"
	to := documents(strings.NewReplacer("web:1", "hunter2/web:hunter3").Replace(web), login, role)
	p := previewed(t, Input{
		From: Rendering{Manifest: web}, To: Rendering{Manifest: to}, Again: Rendering{Manifest: to},
		Mask: func(text string) string { return strings.ReplaceAll(text, "hunter3", "***") },
	})
	var shown strings.Builder
	for _, o := range p.Objects {
		for _, f := range o.Fields {
			shown.WriteString(f.Was + f.Becomes)
		}
		for _, r := range o.Risks {
			shown.WriteString(r.Why)
		}
	}
	for _, i := range p.Images {
		shown.WriteString(i.From + i.To)
	}

	if text := shown.String(); strings.Contains(text, "hunter") || !strings.Contains(text, "***") {
		t.Errorf("it shows %s", text)
	}
}

func TestManifestsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	broken := Rendering{Manifest: "a: [hunter2"}
	for _, in := range []Input{{From: broken}, {To: broken}, {Again: broken}} {
		_, err := Of(in)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error is %v", err)
		}
	}
}
