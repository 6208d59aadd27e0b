package git

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

// The texts that are recognized are those of the library and of git.
func TestErrorTexts(t *testing.T) {
	t.Parallel()

	t.Run("a key that the server refuses", func(t *testing.T) {
		t.Parallel()
		err := signIn(t, ssh.InsecureIgnoreHostKey())
		if !isKeyRefused(err) {
			t.Errorf("not recognized: %v", err)
		}
	})

	t.Run("a host key that is refused", func(t *testing.T) {
		t.Parallel()
		cause := hostKeyError{errors.New("as arranged")}
		err := signIn(t, func(string, net.Addr, ssh.PublicKey) error { return cause })
		var found hostKeyError
		if !errors.As(err, &found) || isKeyRefused(err) {
			t.Errorf("the cause is not in the chain: %v", err)
		}
	})

	t.Run("a repository that does not exist", func(t *testing.T) {
		t.Parallel()
		command := exec.Command("git", "upload-pack", filepath.Join(t.TempDir(), "gone"))
		command.Env = append(command.Environ(), "LC_ALL=C")
		_, err := command.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !isRepositoryMissing(string(exit.Stderr)) {
			t.Errorf("not recognized: %v, %+v", err, exit)
		}
	})
}

// signIn signs in with a key at a server that takes none.
func signIn(t *testing.T, check ssh.HostKeyCallback) error {
	t.Helper()
	server := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
		return nil, errors.New("the key is not known")
	}}
	server.AddHostKey(newSigner(t))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })

	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _, _, _ = ssh.NewServerConn(conn, server)
		_ = conn.Close()
	}()

	_, err = ssh.Dial("tcp", listener.Addr().String(), &ssh.ClientConfig{
		User:            sshUser,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(newSigner(t))},
		HostKeyCallback: check,
	})
	<-done
	if err == nil {
		t.Fatal("the server takes the key")
	}

	return err
}

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}
