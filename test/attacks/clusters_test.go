package attacks

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/hostile"
)

// remoteRelease is a release on the cluster of a kubeconfig, which is in a Secret.
func remoteRelease(name, chart string) string {
	return helmRelease(name, chart, "  timeout: 20s\n  kubeConfig: {secretRef: {name: remote}}\n")
}

func remoteSecret(content string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: remote}\ndata: {value: " +
		base64.StdEncoding.EncodeToString([]byte(content)) + "}\n"
}

// A kubeconfig makes the controller run no program, read no file, and connect to no address that is its own.
func TestKubeconfigs(t *testing.T) {
	const token = "token: abc"
	refusals := []string{v1beta1.KubeConfigInvalidReason}
	for _, test := range []struct{ name, cluster, user, says string }{
		{"a kubeconfig runs a program", "server: 'https://$HOST'",
			"exec: {apiVersion: client.authentication.k8s.io/v1, command: git, args: [a], interactiveMode: Never}", "exec"},
		{"a kubeconfig has an old way to sign in", "server: 'https://$HOST'",
			"auth-provider: {name: gcp, config: {cmd-path: git}}", "auth-provider"},
		{"a kubeconfig reads the token of the controller", "server: 'https://$HOST'", "tokenFile: $FILE", "tokenFile"},
		{"a kubeconfig reads a certificate of the controller", "server: 'https://$HOST'",
			"client-certificate: $FILE, client-key: $FILE", "client-certificate"},
		{"a kubeconfig reads an authority of the controller", "server: 'https://$HOST', certificate-authority: $FILE",
			token, "certificate-authority"},
		{"a kubeconfig does without verification", "server: 'https://$HOST', insecure-skip-tls-verify: true", token,
			"insecure-skip-tls-verify"},
		{"a kubeconfig names a plain service beside the controller", "server: 'http://$HOST/internal'", token, "its server"},
		{"a kubeconfig names a metadata service", "server: 'https://169.254.169.254'", token, "metadata"},
		{"a kubeconfig names a proxy", "server: 'https://example.com', proxy-url: 'http://$HOST'", token, "its proxy-url"},
	} {
		secret := remoteSecret((&scene{}).text(hostile.Kubeconfig(test.cluster, test.user)))
		play(t, attack{name: test.name, charts: charts(mine()), objects: secret + "---\n" + remoteRelease("web", "mine"),
			refused: "HelmRelease/web", reasons: refusals, says: []string{test.says}})
	}
}

// Parameters make the controller send no token of its own or of the neighbor's, and connect to no address that is its
// own.
func TestParameters(t *testing.T) {
	const account = "serviceAccountName: default"
	for _, test := range []struct{ name, address, account, says string }{
		{"parameters ask for the token of the controller", "https://$HOST", "cluster: mine",
			"serviceAccountName is missing"},
		{"parameters ask for a token of the neighbor's", "https://$HOST", "serviceAccountName: " + victim + "/default",
			"is no name of a ServiceAccount"},
		{"parameters ask for a token by a name that is a path", "https://$HOST", "serviceAccountName: ../../" + victim,
			"is no name of a ServiceAccount"},
		{"parameters name a plain service beside the controller", "http://$HOST/internal", account, "its server"},
		{"parameters name a metadata service", "https://169.254.169.254", account, "metadata"},
		{"parameters have credentials in the address", "https://a:b@example.com", account, "user name in the URL"},
		{"parameters have an authority that is none", "https://$HOST", account + ", ca.crt: abc",
			"ca.crt has no certificate"},
		{"parameters have audiences without an end", "https://$HOST",
			account + ", audiences: '" + strings.Repeat("a\n\n  ", 17) + "'", "audiences has more than 16 lines"},
	} {
		parameters := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: remote}\n" +
			"data: {provider: generic, address: '" + test.address + "', " + test.account + "}\n"
		release := helmRelease("web", "mine", "  timeout: 20s\n  kubeConfig: {configMapRef: {name: remote}}\n")
		objects := (&scene{}).text(parameters) + "---\n" + release
		play(t, attack{name: test.name, charts: charts(mine()), objects: objects,
			refused: "HelmRelease/web", reasons: []string{v1beta1.KubeConfigInvalidReason}, says: []string{test.says}})
	}
}

// Releases on clusters that lie, stall and flood: the neighbor's are served, and the memory of the controller is
// bounded.
func TestOtherClusters(t *testing.T) {
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	wait := func(r *http.Request) {
		select {
		case <-ended:
		case <-r.Context().Done():
		}
	}
	discovered := hostile.Discovery()
	for _, test := range []struct {
		name   string
		behave http.HandlerFunc
		// answered is set when the condition has to say something before the attack is over.
		answered bool
		flooded  bool
	}{
		{"a cluster answers with 600 MiB", func(w http.ResponseWriter, _ *http.Request) { hostile.Pour(w, 600<<20) }, true,
			false},
		{"a cluster answers discovery alone", func(w http.ResponseWriter, r *http.Request) {
			if !discovered(w, r) {
				hostile.Pour(w, 600<<20)
			}
		}, true, false},
		{"a cluster never answers", func(_ http.ResponseWriter, r *http.Request) { wait(r) }, false, false},
		{"a cluster begins an answer and stops", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("{"))
			w.(http.Flusher).Flush()
			wait(r)
		}, false, false},
		{"a cluster stops in the middle of a record", func(w http.ResponseWriter, r *http.Request) {
			if discovered(w, r) {
				return
			}
			w.WriteHeader(http.StatusCreated)
			w.(http.Flusher).Flush()
			wait(r)
		}, false, false},
		{"a cluster floods with events", func(w http.ResponseWriter, r *http.Request) {
			if !discovered(w, r) {
				hostile.Flood(w, r, ended)
			}
		}, false, true},
		{"a cluster has objects without an end", func(w http.ResponseWriter, r *http.Request) {
			if !discovered(w, r) {
				hostile.Multitude(w, r, ended)
			}
		}, false, true},
	} {
		var asked atomic.Int64
		server, err := hostile.ServeAPI(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			test.behave(w, r)
		})
		if err != nil {
			t.Fatal(err)
		}
		a := attack{name: test.name, charts: charts(mine()), heavy: true, act: func(t *testing.T, s *scene) {
			apply(t, s, remoteSecret(server.Kubeconfig))
			eventually(t, "the cluster is asked", func() bool { return asked.Load() > 0 })
			if test.flooded {
				eventually(t, "the flood is under way", func() bool { return hostile.MadeUp() > 1000 })
			}
			world.neighbor.served(t)
		}, absent: noneReady}
		for i := range 12 {
			a.objects += "\n---\n" + remoteRelease(fmt.Sprintf("remote-%d", i), "mine")
		}
		a.objects = strings.TrimPrefix(a.objects, "\n---\n")
		if strings.HasSuffix(test.name, "without an end") {
			a.absent = func(t *testing.T, s *scene) {
				noneReady(t, s)
				dropped(t)
			}
		}
		if test.answered {
			a.refused, a.reasons = "HelmRelease/remote-0", []string{v1beta1.ClusterUnreachableReason,
				v1beta1.StorageErrorReason, v1beta1.InstallFailedReason}
		}
		play(t, a)
		server.Close() // what it still floods would take a part of the pace of the next
	}
}

// dropped waits until the controller says that it has dropped what it kept of the cluster. That takes as long as the
// pace of watches needs for the share of a namespace.
func dropped(t *testing.T) {
	t.Helper()
	eventually := func() (bool, error) {
		for _, hr := range list(t, v1beta1.HelmReleaseKind, attacker) {
			ready := conditionOf(&hr, v1beta1.ReadyCondition)
			message, _ := ready["message"].(string)
			if ready["reason"] == v1beta1.ClusterUnreachableReason &&
				strings.Contains(message, "has dropped what it kept of this cluster") {
				return true, nil
			}
		}
		return false, nil
	}
	if err := env.Until(t.Context(), 2*env.Patience, "the cluster is let go of", eventually); err != nil {
		t.Error(err)
	}
}

// noneReady checks that no release of the tenant's claims to run.
func noneReady(t *testing.T, _ *scene) {
	t.Helper()
	for _, hr := range list(t, v1beta1.HelmReleaseKind, attacker) {
		if ready := conditionOf(&hr, v1beta1.ReadyCondition); ready["status"] == "True" {
			t.Errorf("%s is Ready: %v", hr.GetName(), ready["message"])
		}
	}
}

// A server that accepts connections and never says a word, as upstream of many sources.
func TestUpstreamsThatHang(t *testing.T) {
	silent, err := hostile.Silent()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	manifests := ""
	for i := range 30 {
		kind := []string{"HelmRepository", "GitRepository", "OCIRepository"}[i%3]
		url := "url: 'http://" + silent.Addr().String() + "/x'"
		if kind == "OCIRepository" {
			url = "insecure: true, url: 'oci://" + silent.Addr().String() + "/x'"
		}
		manifests += "---\n" + object(kind, fmt.Sprintf("silent-%d", i), url+", timeout: 10s")
	}
	play(t, attack{name: "thirty upstreams hang", objects: strings.TrimPrefix(manifests, "---\n"), heavy: true,
		refused: "HelmRepository/silent-0", reasons: []string{v1beta1.FetchFailedReason}, absent: sourcesAreServed})
}

// sourcesAreServed checks that a new source of the neighbor's becomes Ready.
func sourcesAreServed(t *testing.T, s *scene) {
	t.Helper()
	manifest := object("HelmRepository", "again", "url: '$VICTIM_CHARTS', secretRef: {name: access}, interval: 10h")
	if err := world.neighbor.declare(t.Context(), s.text(manifest)); err != nil {
		t.Fatal(err)
	}
	repository := &unstructured.Unstructured{}
	repository.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(v1beta1.HelmRepositoryKind))
	repository.SetNamespace(victim)
	repository.SetName("again")
	eventually(t, "a new source of the neighbor's is Ready", func() bool {
		return world.cluster.Exists(t, repository) && conditionOf(repository, v1beta1.ReadyCondition)["status"] == "True"
	})
	forget(t, v1beta1.HelmRepositoryKind, "again")
}
