package git

import (
	"bytes"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/check"
	"fairlead.dev/fairlead/test/servers"
)

func serveSSH(t *testing.T, server *servers.Git) (*servers.GitSSH, sources.Identity) {
	t.Helper()
	over, err := server.ServeSSH()
	must(t, err)
	t.Cleanup(func() { _ = over.Close() })
	key, err := over.NewKey("")
	must(t, err)
	return over, sources.Identity{PrivateKey: key, KnownHosts: over.KnownHosts()}
}

// Over SSH everything comes as it does over HTTP: references, one commit, an older one of a branch.
func TestSSHIsAsHTTP(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{})
	first := commit(t, server, "main", map[string]string{"a.txt": "one"})
	second := commit(t, server, "main", map[string]string{"a.txt": "two", "b/c.txt": "new"})
	must(t, server.Tag(repository, "v1.0.0", second, "a release"))
	over, id := serveSSH(t, server)
	ssh, err := New(Options{URL: over.URL(repository), Identity: id})
	must(t, err)
	http := open(t, server, nil)
	for _, ref := range []Ref{
		{Branch: "main"}, {Tag: "v1.0.0"}, {SemVer: "*"}, {Commit: first}, {Branch: "main", Commit: first},
	} {
		want, err := http.Resolve(t.Context(), ref)
		must(t, err)
		got, err := ssh.Resolve(t.Context(), ref)
		if err != nil || got != want {
			t.Fatalf("%+v: %v, %v; want %v", ref, got, err, want)
		}
		if !bytes.Equal(fetch(t, ssh, got), fetch(t, http, want)) {
			t.Errorf("%+v: the archives differ", ref)
		}
	}
	for _, command := range over.Commands() {
		if command != "git-upload-pack '/"+repository+".git'" {
			t.Errorf("ran %q", command)
		}
	}
}

func TestSSHRefusals(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{})
	commit(t, server, "main", map[string]string{"a.txt": "one"})
	over, id := serveSSH(t, server)
	resolve := func(url string, id sources.Identity) error {
		r, err := New(Options{URL: url, Identity: id})
		if err != nil {
			return err
		}
		_, err = r.Resolve(t.Context(), Ref{Branch: "main"})
		return err
	}
	other, _ := serveSSH(t, server)
	locked, err := over.NewKey("correct horse")
	must(t, err)
	t.Run("all", func(t *testing.T) { sshRefusals(t, over, other, id, locked, resolve) })
	if err := resolve(over.URL(repository),
		sources.Identity{PrivateKey: locked, KnownHosts: id.KnownHosts, Passphrase: []byte("correct horse")}); err != nil {
		t.Errorf("a locked key with its passphrase: %v", err)
	}
	must(t, over.ChangeHostKey())
	check.Failure(t, resolve(over.URL(repository), id), v1beta1.AuthenticationFailedReason, "the host key has changed")
}

func sshRefusals(
	t *testing.T, over, other *servers.GitSSH, id sources.Identity, locked []byte,
	resolve func(string, sources.Identity) error,
) {
	lines := bytes.Fields(over.KnownHosts())
	for _, tt := range []struct {
		name, url string
		id        sources.Identity
		reason    string
		says      string
	}{
		{
			"no key", over.URL(repository), sources.Identity{KnownHosts: id.KnownHosts}, v1beta1.AuthenticationFailedReason,
			"identity and known_hosts",
		},
		{
			"no known hosts", over.URL(repository), sources.Identity{PrivateKey: id.PrivateKey},
			v1beta1.AuthenticationFailedReason, "identity and known_hosts",
		},
		{
			"another host", over.URL(repository), sources.Identity{PrivateKey: id.PrivateKey, KnownHosts: other.KnownHosts()},
			v1beta1.AuthenticationFailedReason, "has no line for 127.0.0.1",
		},
		{"a known key of another host", over.URL(repository),
			sources.Identity{
				PrivateKey: id.PrivateKey,
				KnownHosts: append(append(append([]byte{}, lines[0]...), ' '),
					bytes.Join(bytes.Fields(other.KnownHosts())[1:], []byte(" "))...),
			},
			v1beta1.AuthenticationFailedReason, "the host key has changed, or the connection is intercepted"},
		{"a revoked key", over.URL(repository),
			sources.Identity{
				PrivateKey: id.PrivateKey, KnownHosts: append([]byte("@revoked "), append(id.KnownHosts, id.KnownHosts...)...),
			},
			v1beta1.AuthenticationFailedReason, "which known_hosts revokes"},
		{"an authority", over.URL(repository),
			sources.Identity{PrivateKey: id.PrivateKey, KnownHosts: append([]byte("@cert-authority "), id.KnownHosts...)},
			v1beta1.AuthenticationFailedReason, "line 1 names a certificate authority"},
		{
			"a private key that is not registered", over.URL(repository),
			sources.Identity{PrivateKey: unknownKey(t), KnownHosts: id.KnownHosts}, v1beta1.AuthenticationFailedReason,
			"does not take the private key",
		},
		{
			"a locked key", over.URL(repository), sources.Identity{PrivateKey: locked, KnownHosts: id.KnownHosts},
			v1beta1.AuthenticationFailedReason, "has a passphrase",
		},
		{
			"a wrong passphrase", over.URL(repository),
			sources.Identity{PrivateKey: locked, KnownHosts: id.KnownHosts, Passphrase: []byte("wrong")},
			v1beta1.AuthenticationFailedReason, "its passphrase is wrong",
		},
		{"no repository", over.URL("gone"), id, v1beta1.NotFoundReason, "does not have the repository"},
		{
			"a password in the URL", strings.Replace(over.URL(repository), "git@", "git:hunter2@", 1), id,
			v1beta1.URLInvalidReason, "must not hold a password",
		},
		{"a metadata address", "ssh://git@169.254.169.254/x.git", id, v1beta1.URLInvalidReason, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := resolve(tt.url, tt.id)
			check.Failure(t, err, tt.reason, tt.says)
			for _, secret := range []string{"hunter2", "PRIVATE KEY", "correct horse", "wrong\""} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error tells a secret: %v", err)
				}
			}
		})
	}
}

func unknownKey(t *testing.T) []byte {
	t.Helper()
	server := serve(t, servers.Options{})
	_, id := serveSSH(t, server)
	return id.PrivateKey
}
