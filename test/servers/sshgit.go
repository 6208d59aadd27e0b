package servers

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// GitSSH serves the repositories of a Git server over SSH, with git's own commands.
type GitSSH struct {
	git      *Git
	listener net.Listener
	config   *ssh.ServerConfig

	mu       sync.Mutex
	allowed  map[string]bool
	commands []string
	host     ssh.Signer
}

// ServeSSH serves the repositories over SSH on a free port. No key may sign in until Allow.
func (g *Git) ServeSSH() (*GitSSH, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s := &GitSSH{git: g, listener: listener, allowed: map[string]bool{}}
	if err := s.ChangeHostKey(); err != nil {
		return nil, err
	}
	go s.accept()
	return s, nil
}

// ChangeHostKey has the server show a new key of its own.
func (s *GitSSH) ChangeHostKey() error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return err
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.allowed[string(key.Marshal())] {
			return &ssh.Permissions{}, nil
		}
		return nil, errors.New("unknown key")
	}}
	config.AddHostKey(signer)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config, s.host = config, signer
	return nil
}

// NewKey makes a private key, PEM, locked with the passphrase unless that is empty, and lets its holder in.
func (s *GitSSH) NewKey(passphrase string) ([]byte, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "test")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "test", []byte(passphrase))
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed[string(key.Marshal())] = true
	return pem.EncodeToMemory(block), nil
}

// KnownHosts is the line of a known_hosts file for the server.
func (s *GitSSH) KnownHosts() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	host, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return []byte("[" + host + "]:" + port + " " + string(ssh.MarshalAuthorizedKey(s.host.PublicKey())))
}

// URL of a repository.
func (s *GitSSH) URL(name string) string {
	return "ssh://git@" + s.listener.Addr().String() + "/" + name + ".git"
}

// Commands lists what clients ran.
func (s *GitSSH) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

// Close stops the server.
func (s *GitSSH) Close() error { return s.listener.Close() }

func (s *GitSSH) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		config := s.config
		s.mu.Unlock()
		go s.serve(conn, config)
	}
}

func (s *GitSSH) serve(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	signedIn, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	defer signedIn.Close()
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go s.session(channel, requests)
	}
}

// session runs one command.
func (s *GitSSH) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	for request := range requests {
		var command struct{ Text string }
		if request.Type != "exec" || ssh.Unmarshal(request.Payload, &command) != nil {
			_ = request.Reply(false, nil)
			continue
		}
		_ = request.Reply(true, nil)
		status := s.run(command.Text, channel)
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
		return
	}
}

func (s *GitSSH) run(command string, channel ssh.Channel) uint32 {
	s.mu.Lock()
	s.commands = append(s.commands, command)
	s.mu.Unlock()
	program, argument, _ := strings.Cut(command, " ")
	name := strings.Trim(argument, "'")
	if program != "git-upload-pack" && program != "git-receive-pack" || strings.Contains(name, "..") {
		_, _ = io.WriteString(channel.Stderr(), "command not allowed\n")
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, s.git.git, strings.TrimPrefix(program, "git-"),
		filepath.Join(s.git.root, filepath.FromSlash(name)))
	cmd.Env, cmd.Stdout, cmd.Stderr = s.git.env(), channel, channel.Stderr()
	in, err := cmd.StdinPipe()
	if err != nil {
		return 1
	}
	go func() {
		_, _ = io.Copy(in, channel)
		_ = in.Close()
	}()
	if err := cmd.Run(); err != nil {
		return 128
	}
	return 0
}
