package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
)

// What the files of these cases print is checked against the CRDs in test/config.
func TestCreateExports(t *testing.T) {
	t.Parallel()
	const (
		password = " --password-file testdata/create/password.txt"
		key      = " --private-key-file testdata/create/key --known-hosts-file testdata/create/known_hosts"
		commit   = " --commit 4f3c9a1b2c3d4e5f60718293a4b5c6d7e8f90a1b"
	)
	const (
		source = "create source "
		secret = "create secret "
		file   = " testdata/create/"
	)
	w := world{}
	typed := world{stdin: "from-stdin\n"}
	cases := []goldenCase{
		{"create-git", w, source + "git fleet --url https://git.example.com/fleet --branch main --interval 5m"},
		{"create-git-ssh", w, source + "git fleet -n fleet --url ssh://git@git.example.com/fleet --secret key"},
		{"create-git-commit", w, source + "git fleet --url https://git.example.com/fleet --branch main" + commit + ""},
		{"create-helm", w, source + "helm charts --url https://charts.example.com"},
		{"create-helm-oci", w, source + "helm charts --url oci://registry.example.com/charts --secret registry"},
		{"create-oci", w, source + "oci shop --url oci://registry.example.com/charts/shop --semver 1.x --insecure"},
		{"create-bucket", w, source + "bucket fleet --bucket-name fleet --endpoint minio.storage:9000 --insecure"},
		{"create-release", w, "create release shop --source helmrepository/charts --chart shop --version 1.x"},
		{"create-release-git", w, "create release shop --source git/fleet --source-namespace fleet --chart ./shop"},
		{"create-release-ref", w, "create hr shop --source oci/shop --target-namespace prod --create-target-namespace"},
		{"create-release-values", w, "create release shop --source oci/shop --values testdata/create/base.yaml" +
			" --values testdata/create/production.yaml --values-from secret/shop" +
			" --values-from configmap/site:prod.yaml" +
			" --depends-on db,infra/cache --interval 10m"},
		{"create-kustomization", w, "create kustomization apps --source gitrepository/fleet --path ./apps"},
		{"create-kustomization-all", w, "create ks apps --source oci/fleet --wait --prune=false" +
			" --target-namespace prod --service-account deployer --depends-on infra --interval 10m"},
		{"create-secret-git", w, secret + "git token --username fairlead" + password},
		{"create-secret-git-bearer", typed, secret + "git token --token-file - --ca-file" + file + "ca.pem"},
		{"create-secret-git-ssh", w, secret + "git key" + key + " --passphrase-file" + file + "password.txt"},
		{"create-secret-helm", w, secret + "helm charts --username reader" + password},
		{"create-secret-registry", w, secret + "registry pull --server r.example.com --username me" + password},
		{"create-secret-bucket", w, secret + "bucket keys --access-key me --secret-key-file" + file + "password.txt"},
		{"create-secret-proxy", w, secret + "proxy proxy --address http://proxy.example.com:3128"},
		{"create-secret-tls", w, secret + "tls ca --ca-file" + file + "ca.pem"},
	}
	for i := range cases {
		cases[i].args += " --export"
	}
	runGolden(t, cases)
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ args, want string }{
		"nothing":             {"", "expected what to create: source, release, kustomization or secret"},
		"an unknown thing":    {"relase", `unknown command "relase"; did you mean release?`},
		"no source":           {"source", "expected the kind of source: git, helm, oci or bucket"},
		"no Secret":           {"secret", "expected the kind of Secret: git, helm"},
		"no name":             {"source helm --url https://a.example.com", "expected one NAME, got 0 arguments"},
		"a bad name":          {"source helm Charts --url https://a.example.com", `"Charts" is not a valid name`},
		"no address":          {"source helm charts", "--url is missing"},
		"another scheme":      {"source oci charts --url https://a.example.com", `the scheme "https"; allowed: oci`},
		"HTTP for an index":   {"source helm c --url http://a.example.com --insecure", "--insecure is for registries"},
		"a password":          {"source helm c --url https://me:hunter2@a.example.com", "it has credentials in it"},
		"a malformed address": {"source helm c --url https://a:hunter2:b", "it is malformed"},
		"a path":              {"source helm c --url charts", "it is not a URL"},
		"short SSH":           {"source git f --url git@github.com:org/fleet.git", "use ssh://git@github.com"},
		"a git password":      {"source git f --url https://me:hunter2@a.example.com/f", "has credentials in it"},
		"SSH without a key":   {"source git f --url ssh://git@a.example.com/f", "--secret has to name the Secret"},
		"two references":      {"source git f --url https://a.example.com/f --tag a --branch b", "none of the others"},
		"no bucket":           {"source bucket b --endpoint a", "--bucket-name is missing"},
		"an endpoint":         {"source bucket b --bucket-name b --endpoint https://a", "--endpoint has to be a host"},
		"a negative interval": {"source bucket b --bucket-name b --endpoint a --interval -1m", "write a time above 0"},
		"no source of it":     {"release shop --chart shop", "--source is missing"},
		"no kind of source":   {"release shop --source release/shop", "write KIND/NAME of a source"},
		"a bare source":       {"release shop --source charts", "write KIND/NAME of a source"},
		"no chart":            {"release shop --source helmrepo/charts", "--chart is missing"},
		"a chart too much":    {"release shop --source oci/shop --chart shop", "is the chart itself"},
		"which namespace":     {"release shop --source oci/shop --create-target-namespace", "needs --target-namespace"},
		"a bad reference":     {"release shop --source oci/shop --values-from shop", "write secret/NAME"},
		"a bad dependency":    {"release shop --source oci/shop --depends-on /a", "write NAME or NAMESPACE/NAME"},
		"values of a list":    {"release shop --source oci/shop --values testdata/create/list.yaml", "not a YAML map"},
		"no file of values":   {"release shop --source oci/shop --values /absent.yaml", "no such file"},
		"no manifests":        {"ks apps --source helmrepo/charts", "a HelmRepository holds no manifests"},
		"no credentials":      {"secret git token", "give --password-file, --token-file"},
		"two ways":            {"secret git token --token-file a --private-key-file b", "give one of"},
		"no user name":        {"secret git token --password-file a", "--username and --password-file go together"},
		"no host keys":        {"secret git key --private-key-file a", "--known-hosts-file go together"},
		"an empty file":       {"secret git t --token-file testdata/create/empty.txt", "is empty"},
		"two lines":           {"secret git t --token-file testdata/create/lines.txt", "has to hold one line"},
		"a server's scheme":   {"secret registry r --server https://a --username u --password-file p", "a scheme"},
		"no server":           {"secret registry r", "--server is missing"},
		"a proxy's password":  {"secret proxy p --address http://me:hunter2@a", "it has credentials in it"},
		"no certificate":      {"secret tls t", "give --ca-file"},
		"half a certificate":  {"secret tls t --cert-file a", "--cert-file and --key-file go together"},
		"stdin twice":         {"secret tls t --cert-file - --key-file -", "cannot both be read from standard input"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"create"}, strings.Fields(tt.args)...)
			if len(args) > 2 {
				args = append(args, "--export")
			}
			r := world{stdin: "text\n"}.run(t, args...)
			if r.code != exitError || r.stdout != "" || !strings.Contains(r.stderr, tt.want) {
				t.Errorf("%+v", r)
			}
			if strings.Contains(r.stderr, "hunter2") {
				t.Errorf("it shows a password: %s", r.stderr)
			}
		})
	}
}

func TestCreateInTheCluster(t *testing.T) {
	t.Parallel()
	w := world{objects: everything()}
	c := w.client(t)
	args := strings.Fields("create release cart --source helmrepository/charts --chart cart")
	if r := w.runWith(t, c, args...); r.code != exitOK || r.stdout != "release web/cart created\n" {
		t.Fatalf("%+v", r)
	}
	hr := &v1beta1.HelmRelease{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "web", Name: "cart"}, hr); err != nil {
		t.Fatal(err)
	}
	if got := hr.Spec.Chart.Spec; got.Chart != "cart" || got.SourceRef.Name != "charts" {
		t.Errorf("chart %+v", got)
	}
	r := w.runWith(t, c, args...)
	const want = "fairlead: release web/cart exists already; nothing was changed\n"
	if r.code != exitError || r.stderr != want {
		t.Errorf("again: %+v", r)
	}
	args = strings.Fields("create secret git token -n fleet --username me --password-file testdata/create/password.txt")
	if r := w.runWith(t, c, args...); r.code != exitOK || r.stdout != "secret fleet/token created\n" {
		t.Errorf("%+v", r)
	}
	secret := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "fleet", Name: "token"}, secret); err != nil {
		t.Fatal(err)
	}
	if secret.StringData["password"] != "hunter2" {
		t.Errorf("the password is %q", secret.StringData["password"])
	}
}

// The API server is asked to refuse fields that it does not know, and its refusal is passed on.
func TestCreateIsStrict(t *testing.T) {
	t.Parallel()
	var validation string
	w := world{funcs: interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, _ client.Object, opts ...client.CreateOption) error {
			options := (&client.CreateOptions{}).ApplyOptions(opts)
			validation = options.FieldValidation
			resource := v1beta1.GroupVersion.WithResource("buckets").GroupResource()
			return apierrors.NewForbidden(resource, "b", errors.New("no"))
		},
	}}
	r := w.run(t, "create", "source", "bucket", "b", "--bucket-name", "b", "--endpoint", "s3.example.com")
	if validation != metav1.FieldValidationStrict {
		t.Errorf("field validation is %q", validation)
	}
	if r.code != exitError || !strings.Contains(r.stderr, "may not create buckets.fairlead.dev in namespace web") {
		t.Errorf("%+v", r)
	}
}

func TestCreateNamesAMissingNamespace(t *testing.T) {
	t.Parallel()
	w := world{funcs: interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
			return apierrors.NewNotFound(corev1.Resource("namespaces"), "web")
		},
	}}
	r := w.run(t, "create", "source", "bucket", "b", "--bucket-name", "b", "--endpoint", "s3.example.com")
	const want = "fairlead: create buckets b in namespace web: namespace web does not exist\n"
	if r.code != exitError || r.stderr != want {
		t.Errorf("%+v, want %q", r, want)
	}
}

// A manifest is printed without a cluster; it then has the namespace of -n, or none.
func TestCreateExportsWithoutACluster(t *testing.T) {
	args := []string{"create", "source", "helm", "charts", "--url", "https://charts.example.com", "--export"}
	t.Setenv("KUBECONFIG", "/does/not/exist")
	if r := connected(t, args...); r.code != exitOK || strings.Contains(r.stdout, "namespace") || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	r := connected(t, append(args, "-n", "web")...)
	if r.code != exitOK || !strings.Contains(r.stdout, "namespace: web\n") {
		t.Errorf("with -n: %+v", r)
	}
}
