package knownhosts

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func newKey(t *testing.T) ssh.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKnownHosts(t *testing.T) {
	t.Parallel()
	parsed := newKey(t)
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(parsed)))
	for _, tt := range []struct {
		hosts, address string
		want           bool
	}{
		{"git.example.com", "git.example.com:22", true},
		{"git.example.com", "git.example.com:2222", false},
		{"[git.example.com]:2222", "git.example.com:2222", true},
		{"[git.example.com]:2222", "git.example.com:22", false},
		{"a.example.com,GIT.example.com", "git.example.com:22", true},
		{"*.example.com", "git.example.com:22", true},
		{"*.example.com,!git.example.com", "git.example.com:22", false},
		{"git.example.co?", "git.example.com:22", true},
		{knownhosts.HashHostname("git.example.com"), "git.example.com:22", true},
		{knownhosts.HashHostname("[git.example.com]:2222"), "git.example.com:2222", true},
		{knownhosts.HashHostname("other.example.com"), "git.example.com:22", false},
		{"10.0.0.1", "10.0.0.1:22", true},
		{"[::1]:2222", "[::1]:2222", true},
	} {
		known, err := Parse([]byte("# a comment\n\n" + tt.hosts + " " + key + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		host, err := known.For(tt.address)
		if err != nil {
			t.Fatal(err)
		}
		if err := host.Check(parsed); (err == nil) != tt.want {
			t.Errorf("%s for %s: %v", tt.hosts, tt.address, err)
		}
		if got := host.Algorithms(); (len(got) == 1) != tt.want {
			t.Errorf("%s for %s: algorithms %v", tt.hosts, tt.address, got)
		}
	}
	for _, text := range []string{"", "# nothing\n", "git.example.com\n", "git.example.com ssh-ed25519 hunter2\n"} {
		if _, err := Parse([]byte(text)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Revoked keys, authorities and several keys of one type.
func TestMarkedLines(t *testing.T) {
	t.Parallel()
	const address = "git.example.com:22"
	first, second := newKey(t), newKey(t)
	is := func(marker, hosts string, key ssh.PublicKey) string {
		return marker + hosts + " " + string(ssh.MarshalAuthorizedKey(key))
	}
	for _, tt := range []struct {
		name, text string
		shown      ssh.PublicKey
		says       string
	}{
		{"the second key of a type", is("", "git.example.com", first) + is("", "git.example.com", second), second, ""},
		{
			"another key", is("", "git.example.com", first), second,
			"the host key has changed, or the connection is intercepted",
		},
		{"no key", is("", "other.example.com", first), first, "known_hosts has no key of git.example.com:22"},
		{"a revoked key", is("@revoked ", "*", first) + is("", "git.example.com", first), first, "which known_hosts revokes"},
		{"another revoked key", is("@revoked ", "*", second) + is("", "git.example.com", first), first, ""},
		{"an authority", is("", "git.example.com", first) + is("@cert-authority ", "*.example.com", second), first,
			"line 2 names a certificate authority"},
		{
			"the authority of another host", is("", "git.example.com", first) + is("@cert-authority ", "*.example.org", second),
			first, "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hosts, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			host, err := hosts.For(address)
			if err == nil {
				err = host.Check(tt.shown)
			}
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got %v, want %q in it", err, tt.says)
			}
		})
	}
}

// The file and the name of the host are those of a tenant: no pattern may keep the processor busy.
func TestPatternsCostLittle(t *testing.T) {
	t.Parallel()
	pattern := strings.Repeat("*a", 120) + "*b"
	text := pattern + " " + string(ssh.MarshalAuthorizedKey(newKey(t)))
	hosts, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if host, err := hosts.For(strings.Repeat("a", 250) + ":22"); err != nil || len(host.Algorithms()) > 0 {
		t.Errorf("%v, %v", host.Algorithms(), err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	if _, err := Parse(make([]byte, MaxBytes+1)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a file that is too large: %v", err)
	}
}

// What Line writes is known of the host, and of no other.
func TestLine(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	for _, address := range []string{"git.example.com:22", "git.example.com:2222", "[::1]:2222"} {
		line := Line(address, key)
		if want := knownhosts.Line([]string{address}, key); line != want {
			t.Errorf("%q, want %q", line, want)
		}
		hosts, err := Parse([]byte(line + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		host, err := hosts.For(address)
		if err != nil || host.Check(key) != nil {
			t.Errorf("%s: %v, %v", line, err, host.Check(key))
		}
		if other, _ := hosts.For("other.example.com:22"); len(other.Algorithms()) > 0 {
			t.Errorf("%s is about another host", line)
		}
	}
}

func FuzzKnownHosts(f *testing.F) {
	f.Add([]byte("git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPnkYPMz1LG5Fqn0TWfUyTL5qhtvYvYSHaZ9lqXhkTXW\n"))
	f.Add([]byte("@revoked *,!a ssh-rsa AAAA\n|1|a|b ssh-ed25519 x"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		known, err := Parse(text)
		if err == nil {
			host, _ := known.For("git.example.com:22")
			host.Algorithms()
		}
	})
}
