package gitops

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/install"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// bootstrap has the cluster follow a repository, with a controller beside it from the moment that its kinds are there.
func bootstrap(t *testing.T, args ...string) (out string, stop func()) {
	t.Helper()
	remove(t)
	done := make(chan string)
	go func() {
		out, errs, code := world.cluster.Run(t, "fairlead",
			append([]string{"bootstrap", "git", "--wait", "--image", image, "--interval", "1s"}, args...)...)
		if code != 0 {
			t.Errorf("bootstrap ended with %d", code)
		}
		done <- out + errs
	}()
	env.Await(t, "the kinds are there", func() bool {
		crds := &apiextensionsv1.CustomResourceDefinitionList{}
		if err := world.cluster.Client.List(t.Context(), crds); err != nil {
			t.Fatal(err)
		}
		served := 0
		for _, crd := range crds.Items {
			for _, c := range crd.Status.Conditions {
				if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
					served++
				}
			}
		}
		return served == kinds(t)
	})
	stop = startInstalled(t)
	out = <-done
	if t.Failed() {
		t.Fatal(out)
	}
	return out, stop
}

// kinds is how many kinds Fairlead has.
func kinds(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(projectRoot(t), "config", "crd", "fairlead.dev_*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d definitions in config/crd: %v", len(files), err)
	}
	return len(files)
}

// Over SSH a private key signs in, here and in the cluster, to a host that is known.
func TestBootstrapOverSSH(t *testing.T) {
	if _, err := world.git.Create("org/ssh"); err != nil {
		t.Fatal(err)
	}
	over, err := world.git.ServeSSH()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = over.Close() })
	private, err := over.NewKey("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	key, hosts := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "known_hosts")
	if err := errors.Join(os.WriteFile(key, private, 0o600), os.WriteFile(hosts, []byte("# none\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--url", over.URL("org/ssh"), "--path", "clusters/one", "--private-key-file", key, "--known-hosts-file", hosts,
	}
	fails(t, 2, "has a passphrase", append([]string{"bootstrap", "git", "--wait", "--image", image}, args...)...)
	t.Setenv("FAIRLEAD_GIT_PASSPHRASE", "correct horse")
	fails(t, 2, "has no line for", append([]string{"bootstrap", "git", "--wait", "--image", image}, args...)...)
	if err := os.WriteFile(hosts, over.KnownHosts(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, stop := bootstrap(t, args...)
	defer stop()
	if !strings.Contains(out, "the cluster follows the repository") || strings.Contains(out, "correct horse") ||
		strings.Contains(out, "PRIVATE KEY") {
		t.Errorf("bootstrap prints\n%s", out)
	}
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "over-ssh"}}
	push(t, world.git, "org/ssh",
		map[string]string{
			"clusters/one/pushed.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: over-ssh, namespace: default}\n",
		})
	env.Await(t, "what was pushed is applied", func() bool { return world.cluster.Exists(t, config) })
	push(t, world.git, "org/ssh", map[string]string{"clusters/one/pushed.yaml": ""})
	env.Await(t, "what was removed is deleted", func() bool { return !world.cluster.Exists(t, config) })
}

// An empty repository becomes what the cluster follows, a second run changes neither of them, and what is pushed is
// applied.
func TestBootstrap(t *testing.T) {
	url, err := world.private.Create("org/fleet")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAIRLEAD_GIT_TOKEN", token)
	args := []string{"--url", url, "--path", "./clusters/one/", "--username", user}
	previewsABootstrap(t, args)
	out, stop := bootstrap(t, args...)
	head := headOf(t, world.private, "org/fleet")
	if !strings.Contains(out, "pushed "+head[:12]) || !strings.Contains(out, "the cluster follows the repository") {
		t.Errorf("bootstrap prints\n%s", out)
	}
	if strings.Contains(out, token) {
		t.Error("bootstrap prints the token")
	}

	again := must(t, append([]string{"bootstrap", "git", "--wait", "--image", image, "--interval", "1s"}, args...)...)
	if !strings.Contains(again, "has the manifests already") || !strings.Contains(again, "nothing was changed") ||
		headOf(t, world.private, "org/fleet") != head {
		t.Errorf("a second bootstrap prints\n%s", again)
	}
	preview := must(t, append([]string{"bootstrap", "git", "--dry-run", "--image", image, "--interval", "1s"}, args...)...)
	if !strings.Contains(preview, "has the manifests already") || !strings.Contains(preview, "nothing would be changed") {
		t.Errorf("a dry run after a bootstrap prints\n%s", preview)
	}
	fails(t, 2, "follows ./clusters/one of "+url+" already", "bootstrap", "git", "--wait", "--image", image, "--url", url,
		"--path", "clusters/two", "--username", user)
	fails(t, 2, "follows ./clusters/one of "+url, "install", "--wait", "--image", image)
	if headOf(t, world.private, "org/fleet") != head {
		t.Error("a bootstrap that was refused has pushed")
	}

	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "pushed"}}
	push(t, world.private, "org/fleet",
		map[string]string{
			"clusters/one/pushed.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pushed, namespace: default}\n",
		})
	env.Await(t, "what was pushed is applied", func() bool { return world.cluster.Exists(t, config) })

	upgraded := must(t, "bootstrap", "git", "--wait", "--image", "registry.example.com/fairlead:v2", "--interval", "1s",
		"--url", url, "--path", "clusters/one", "--username", user)
	if !strings.Contains(upgraded, "pushed ") {
		t.Errorf("an upgrade by bootstrap prints\n%s", upgraded)
	}
	// Either the command or the cluster, which follows the repository, was the first to change it.
	controller := &appsv1.Deployment{}
	if err := world.cluster.Client.Get(t.Context(),
		client.ObjectKey{Namespace: install.Namespace, Name: "fairlead-controller"}, controller); err != nil {
		t.Fatal(err)
	}
	if got := controller.Spec.Template.Spec.Containers[0].Image; got != "registry.example.com/fairlead:v2" {
		t.Errorf("after an upgrade by bootstrap the controller runs %s", got)
	}
	if !world.cluster.Exists(t, config) {
		t.Error("the upgrade has deleted what others pushed")
	}

	// Its own files are gone by mistake: nothing that Fairlead consists of goes with them.
	push(t, world.private, "org/fleet", map[string]string{
		"clusters/one/fairlead-system/components.yaml": "", "clusters/one/fairlead-system/sync.yaml": "",
		"clusters/one/pushed.yaml": "",
	})
	root := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: install.Root}}
	world.cluster.AwaitReadiness(t, root, "it refuses to delete everything", func(ready metav1.Condition) bool {
		return ready.Reason == v1beta1.NothingToApplyReason || ready.Reason == v1beta1.PathNotFoundReason
	})
	if !world.cluster.Exists(t, config) {
		t.Error("an emptied directory has pruned what it had")
	}
	stop()
	must(t, "uninstall", "--yes")
	if !world.cluster.Exists(t, config) {
		t.Error("uninstall has deleted what was applied")
	}
	if err := world.cluster.Client.Delete(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

// previewsABootstrap has a dry run for an empty repository and a cluster without Fairlead.
func previewsABootstrap(t *testing.T, args []string) {
	t.Helper()
	out := must(t, append([]string{"bootstrap", "git", "--dry-run", "--image", image}, args...)...)
	for _, want := range []string{
		"pushed to branch main: clusters/one/fairlead-system (dry run)", "applied Secret fairlead-system/fairlead-git",
		"created Namespace fairlead-system (dry run)", "created Kustomization fairlead-system/fairlead (dry run)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("a dry run of bootstrap lacks %q:\n%s", want, out)
		}
	}
	if head, err := world.private.Head("org/fleet", "main"); err == nil {
		t.Errorf("a dry run has pushed %s", head)
	}
	if world.cluster.Exists(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: install.Namespace}}) {
		t.Error("a dry run of bootstrap has created the namespace")
	}
}

// What is wrong with the repository is found out before the cluster is touched, and said in words that help.
func TestBootstrapRefuses(t *testing.T) {
	open, err := world.git.Create("refused")
	if err != nil {
		t.Fatal(err)
	}
	push(t, world.git, "refused", map[string]string{"README.md": "text\n"})
	private, err := world.private.Create("refused")
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(wrong, []byte("wrong-"+token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, args := range map[string][]string{
		"no such repository":    {"--url", world.git.URL("nowhere"), "--path", "clusters/x"},
		"wants credentials":     {"--url", private, "--path", "clusters/x"},
		"does not accept these": {"--url", private, "--path", "clusters/x", "--username", user, "--token-file", wrong},
		"no branch live":        {"--url", open, "--path", "clusters/x", "--branch", "live"},
		"credentials in it":     {"--url", strings.Replace(open, "http://", "http://u:hidden@", 1), "--path", "clusters/x"},
		"needs a private key":   {"--url", "ssh://git@example.com/x.git", "--path", "clusters/x"},
		"--path is missing":     {"--url", open, "--path", "/"},
		"--image is missing":    {"--url", open, "--path", "clusters/x", "--image", ""},
	} {
		out, errs, code := world.cluster.Run(t, "fairlead",
			append([]string{"bootstrap", "git", "--wait", "--image", image}, args...)...)
		if code != 2 || !strings.Contains(errs, says) || strings.Contains(out+errs, "hidden") ||
			strings.Contains(out+errs, token) {
			t.Errorf("bootstrap %v ended with %d, or does not say %q:\n%s%s", args, code, says, out, errs)
		}
	}
	if world.cluster.Exists(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: install.Namespace}}) {
		t.Error("a bootstrap that was refused has touched the cluster")
	}
}

func headOf(t *testing.T, git *servers.Git, name string) string {
	t.Helper()
	head, err := git.Head(name, "main")
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// push commits files to a repository; an empty content removes a file.
func push(t *testing.T, git *servers.Git, name string, files map[string]string) string {
	t.Helper()
	commit, err := git.Commit(name, "main", files, "change")
	if err != nil {
		t.Fatal(err)
	}
	return commit
}
