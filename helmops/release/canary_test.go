package release

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	helmchart "helm.sh/helm/v3/pkg/chart"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cel"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/postrender"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/values"
)

// canary is a secret that is planted wherever one can be. Every text that leaves the code must be free of it.
type canary string

// newCanary returns a secret that no text has by chance, with characters that encodings write in their own way.
func newCanary(random *rand.Rand) canary {
	const letters = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"
	const special = `"'\ /+?&%=<>ü:#{}`
	out := []rune{}
	for i := range 18 {
		from := []rune(letters)
		if i%6 == 5 {
			from = []rune(special)
		}
		out = append(out, from[random.IntN(len(from))])
	}
	return canary(strings.TrimSpace(string(out)) + "Z9")
}

// traces are parts of the canary in the encodings that are easily undone, each long enough to tell something.
func (c canary) traces() []string {
	var out []string
	for _, part := range []string{string(c)[:5], string(c)[6:11], string(c)[12:16]} {
		out = append(out, part, strings.ToUpper(part), strings.ToLower(part), hex.EncodeToString([]byte(part)), strings.ToUpper(hex.EncodeToString([]byte(part))))
		for shift := range 3 {
			encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), part...))
			inner := encoded[(shift*8+5)/6 : (shift+len(part))*8/6]
			out = append(out, inner, strings.NewReplacer("+", "-", "/", "_").Replace(inner))
		}
	}
	return out
}

func (c canary) check(t *testing.T, place, text string) {
	t.Helper()
	for _, trace := range c.traces() {
		if strings.Contains(text, trace) {
			at := strings.Index(text, trace)
			t.Errorf("%s shows %q of the secret %q: %s", place, trace, string(c), text[max(0, at-100):min(len(text), at+100)])
			return
		}
	}
}

// encodings are the ways in which an error may quote the canary.
func (c canary) encodings() []string {
	secret := string(c)
	asJSON, _ := json.Marshal(secret)
	asYAML, _ := yaml.Marshal(map[string]string{"password": secret})
	return []string{
		secret, strings.ToUpper(secret), strings.ToLower(secret), strconv.Quote(secret), string(asJSON), string(asYAML),
		url.QueryEscape(secret), url.PathEscape(secret), "postgres://" + url.UserPassword("u", secret).String() + "@db",
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		base64.StdEncoding.EncodeToString([]byte("u:" + secret)), base64.StdEncoding.EncodeToString([]byte("p=" + secret + "\nq=1")),
		base64.StdEncoding.EncodeToString([]byte("pwd" + secret)), secret[:len(secret)-3] + "…", secret[:9] + "...",
		fmt.Sprint([]byte(secret)), //nolint:staticcheck // the numbers are wanted
	}
}

// secretManifest is a Secret with the canary, which may be of a wrong type.
func (c canary) secretManifest(wrong bool) map[string]any {
	var value any = base64.StdEncoding.EncodeToString([]byte(c))
	if wrong {
		value = map[string]any{"nested": string(c)}
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "db", "namespace": "apps"}, "data": map[string]any{"password": value},
	}
}

// errors are what Helm, the API server and libraries say that quotes the canary.
func (c canary) errors() []error {
	var all []error
	for _, text := range c.encodings() {
		secret := schema.GroupKind{Kind: "Secret"}
		bad := &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusBadRequest, Reason: metav1.StatusReasonBadRequest,
			Message: "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte 3: " + text}}
		invalid := apierrors.NewInvalid(secret, "db", field.ErrorList{field.Invalid(field.NewPath("data"), text, "must not be "+text)})
		typed := errors.New(`failed to create typed patch object (apps/db; apps/v1, Kind=Deployment): .spec.x: expected string, got &value.valueUnstructured{Value:"` + text + `"}`)
		all = append(all,
			errors.New(`execution error at (web/templates/a.yaml:1:4): password `+text+` is too weak`),
			errors.New("YAML parse error on web/templates/a.yaml: error converting YAML to JSON: yaml: unknown anchor '"+text+"' referenced"),
			errors.New("error unmarshaling JSON: json: cannot unmarshal "+text),
			typed, ssa.Reworded(typed, false),
			ssa.Reworded(bad, true), ssa.Reworded(invalid, true),
			&ssa.ObjectError{Object: "Secret apps/db", Secret: true, Cause: bad}, &ssa.ObjectError{Object: "Secret apps/db", Secret: true, Cause: invalid},
			&ssa.ObjectError{Object: "Deployment apps/web", Cause: apierrors.NewInvalid(schema.GroupKind{Kind: "Deployment"}, "web",
				field.ErrorList{field.Invalid(field.NewPath("spec"), text, "no: "+text), field.Required(field.NewPath("spec"), strings.Repeat("x", 480)+text)})},
		)
	}
	return all
}

func TestNoTextShowsASecret(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(20260301, 7)) // it has to be repeatable
	for range 25 {
		c := newCanary(random)
		mask := redact.NewMask(map[string]any{"password": string(c)})
		inRelease := redact.NewMask(redact.SecretContent(c.secretManifest(false))...)
		for _, err := range c.errors() {
			// Known from a Secret of the values; and only from a Secret that the chart renders.
			c.release(t, err, Inputs{Mask: mask}, engine.Result{})
			c.release(t, err, Inputs{}, engine.Result{Mask: inRelease})
		}
		c.compare(t, mask.Apply)
		c.express(t)
		c.postRender(t)
		c.connect(t)
		c.compose(t)
	}
}

// release looks at what an action that failed leaves in the object and its event.
func (c canary) release(t *testing.T, err error, in Inputs, result engine.Result) {
	t.Helper()
	hr := helmRelease()
	e := &engineFake{result: result}
	e.result.Err = err
	in.Chart = inputs.Chart
	charts := func(context.Context, *v1beta1.HelmRelease, v1beta1.ChartRevision) (*helmchart.Chart, error) {
		return &helmchart.Chart{}, nil
	}
	outcome := runner(e, charts).Do(context.Background(), workOf(hr, plan.Plan{Step: plan.Upgrade, Target: target}, in, nil))
	event := status.ReleaseDone(hr, outcome, now)
	text, marshalErr := json.Marshal(hr)
	if marshalErr != nil {
		t.Fatal(marshalErr)
	}
	c.check(t, "the object", string(text))
	c.check(t, "the event", event.Note())
	c.check(t, "the log", event.Message)
}

// compare looks at differences between objects.
func (c canary) compare(t *testing.T, mask func(string) string) {
	t.Helper()
	live := &unstructured.Unstructured{Object: c.secretManifest(false)}
	for _, f := range drift.Subset(live, c.secretManifest(true), mask) {
		c.check(t, "the drift of a Secret", fmt.Sprintf("%+v", f))
	}
	wants := map[string]any{"data": map[string]any{"dsn": "none", "long": "none"}}
	config := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x"},
		"data": map[string]any{"dsn": "postgres://" + url.UserPassword("u", string(c)).String(), "long": strings.Repeat("x", 250) + string(c)}}}
	for _, f := range drift.Subset(config, wants, mask) {
		c.check(t, "the drift of a ConfigMap", fmt.Sprintf("%+v", f))
	}
	before, _ := yaml.Marshal(c.secretManifest(false))
	deployment := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: %s}\n---\n" + string(before)
	quoted := strconv.Quote(strings.Repeat("x", 195) + string(c))
	changes, err := diff.Compare(fmt.Sprintf(deployment, "1"), fmt.Sprintf(deployment, quoted), "apps", nil)
	if err != nil || len(changes) != 1 {
		t.Fatalf("%+v, %v", changes, err)
	}
	c.check(t, "the difference of two manifests", fmt.Sprintf("%+v", changes))
	_, err = diff.Compare("a: *"+string(c), "", "apps", nil)
	c.check(t, "a manifest that cannot be read", fmt.Sprint(err))
}

// express looks at what expressions say that have no answer.
func (c canary) express(t *testing.T) {
	t.Helper()
	language, err := cel.NewLanguage("dep")
	if err != nil {
		t.Fatal(err)
	}
	dep := map[string]any{"spec": map[string]any{"password": string(c)}}
	for _, text := range []string{"dep[dep.spec.password] == 1", "int(dep.spec.password) == 1", "{'a': 1}[dep.spec.password] == 1", "duration(dep.spec.password) == duration('1s')"} {
		program, err := language.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = program.Holds(t.Context(), map[string]any{"dep": dep})
		if err == nil {
			t.Errorf("%s has an answer", text)
		}
		c.check(t, "an expression", fmt.Sprint(err))
	}
}

// postRender looks at what post renderers say of patches, and of what they patch.
func (c canary) postRender(t *testing.T) {
	t.Helper()
	document, _ := yaml.Marshal(c.secretManifest(true))
	for _, patch := range []string{
		"- {op: remove, path: /data/missing, value: " + strconv.Quote(string(c)) + "}",
		"- {op: test, path: /data/password, value: " + strconv.Quote(string(c)) + "}",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: *" + string(c)[:5],
		strconv.Quote(string(c)),
	} {
		k := &v1beta1.Kustomize{Patches: []v1beta1.Patch{{Patch: patch, Target: &v1beta1.Selector{Kind: "Secret"}}}}
		renderer, err := postrender.New(postrender.OptionsOf([]v1beta1.PostRenderer{{Kustomize: k}}, "", nil))
		if err == nil {
			_, err = renderer.Manifests(document)
		}
		if err == nil {
			t.Errorf("the patch %q fits", patch)
		}
		c.check(t, "a post renderer", fmt.Sprint(err))
	}
}

// connect looks at what is said of a kubeconfig that cannot be used.
func (c canary) connect(t *testing.T) {
	t.Helper()
	pool := cluster.NewPool(1, time.Minute, time.Now)
	quoted := strconv.Quote(string(c))
	for _, config := range []string{
		"apiVersion: v1\nkind: Config\nusers: [{name: u, user: {token: *" + string(c)[:5] + "}}]\n",
		"apiVersion: v1\nkind: Config\nusers: [{name: u, user: {client-key-data: " + quoted + "}}]\n",
		"apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n" +
			"clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority-data: aGVsbG8=}}]\n" +
			"users: [{name: u, user: {token: " + quoted + ", exec: {command: " + quoted + ", apiVersion: client.authentication.k8s.io/v1}}}]\n",
	} {
		_, err := pool.Get(cluster.Access{Kubeconfig: []byte(config)})
		if err == nil {
			t.Error("the kubeconfig can be used")
		}
		c.check(t, "a kubeconfig", fmt.Sprint(err))
	}
}

// compose looks at what is said of values that cannot be used.
func (c canary) compose(t *testing.T) {
	t.Helper()
	for _, layer := range []values.Layer{
		{Origin: "Secret apps/db", Data: []byte("- " + strconv.Quote(string(c)))},
		{Origin: "Secret apps/db", Data: []byte("a: *" + string(c)[:5] + "\n")},
		{Origin: "Secret apps/db", Data: []byte(strconv.Quote(string(c)) + ": [\n")},
	} {
		_, err := values.Merge(layer)
		if err == nil {
			t.Error("the layer can be used")
		}
		c.check(t, "the values", fmt.Sprint(err))
	}
}
