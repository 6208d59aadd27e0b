package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	gittransport "github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/knownhosts"
	"fairlead.dev/fairlead/sources/transport"
)

const (
	sshPort = "22"
	sshUser = "git"
	// sshTimeout bounds signing in.
	sshTimeout = 20 * time.Second
	// stderrBytes is how much of what a server complains about is kept.
	stderrBytes = 4 << 10
)

// shell signs in to the host of a repository over SSH. It holds no connection.
type shell struct {
	address string // host:port
	path    string
	config  *ssh.ClientConfig
	limits  Limits
	network *transport.Network
}

// newShell checks who signs in, and to which hosts. Keys that cannot be used, and a Secret without known hosts, are a
// sources.Error with reason AuthenticationFailed, stalled.
func newShell(u *url.URL, o Options) (*shell, error) {
	id := o.Identity
	bad := func(format string, args ...any) (*shell, error) {
		return nil, sources.Stall(v1beta1.AuthenticationFailedReason, nil, format, args...)
	}
	if len(id.PrivateKey) == 0 || len(id.KnownHosts) == 0 {
		return bad("a repository over SSH needs a Secret with the keys %s and %s", sources.IdentityKey, sources.KnownHostsKey)
	}

	port := u.Port()
	if port == "" {
		port = sshPort
	}

	s := &shell{address: net.JoinHostPort(u.Hostname(), port), path: u.Path, limits: o.Limits, network: o.Network}
	known, err := hostOf(id.KnownHosts, s.address)
	if err != nil {
		return bad("the key %s of the Secret cannot be used: %s", sources.KnownHostsKey, err)
	}

	signer, err := signerOf(id)
	if err != nil {
		return nil, err
	}

	algorithms := known.Algorithms()
	if len(algorithms) == 0 {
		return bad("the key %s of the Secret has no line for %s", sources.KnownHostsKey, s.address)
	}

	user := sshUser
	if u.User != nil {
		user = u.User.Username()
	}

	s.config = &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyAlgorithms: algorithms, Timeout: sshTimeout,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			return hostKeyError{known.Check(key)}.orNil()
		},
		ClientVersion: "SSH-2.0-" + transport.UserAgent,
	}
	return s, nil
}

// hostOf is what a known_hosts file says of a host.
func hostOf(text []byte, address string) (knownhosts.Host, error) {
	hosts, err := knownhosts.Parse(text)
	if err != nil {
		return knownhosts.Host{}, err
	}
	return hosts.For(address)
}

// signerOf reads a private key. The errors of the library are not shown: they could quote it.
func signerOf(id sources.Identity) (ssh.Signer, error) {
	var signer ssh.Signer
	var err error
	if len(id.Passphrase) > 0 {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(id.PrivateKey, id.Passphrase)
	} else {
		signer, err = ssh.ParsePrivateKey(id.PrivateKey)
	}

	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, sources.Stall(v1beta1.AuthenticationFailedReason, nil,
			"the private key of the Secret has a passphrase; the key %s has to hold it", sources.PassphraseKey)
	case err != nil:
		return nil, sources.Stall(v1beta1.AuthenticationFailedReason, nil,
			"the key %s of the Secret is no private key of SSH, or its passphrase is wrong", sources.IdentityKey)
	}

	return signer, nil
}

// hostKeyError is why a host is not trusted.
type hostKeyError struct{ error }

func (e hostKeyError) orNil() error {
	if e.error == nil {
		return nil
	}
	return e
}

// NewUploadPackSession implements gittransport.Transport.
func (s *shell) NewUploadPackSession(
	*gittransport.Endpoint, gittransport.AuthMethod,
) (gittransport.UploadPackSession, error) {
	return &shellSession{shell: s}, nil
}

// NewReceivePackSession implements gittransport.Transport: nothing is ever pushed.
func (s *shell) NewReceivePackSession(
	*gittransport.Endpoint, gittransport.AuthMethod,
) (gittransport.ReceivePackSession, error) {
	return nil, errors.ErrUnsupported
}

// shellSession is one connection to a host, on which git-upload-pack runs as often as it is needed.
type shellSession struct {
	shell  *shell
	client *ssh.Client
	stop   func() bool
	// run is a git-upload-pack that has told its references and waits to be asked.
	run *uploadPack
}

// uploadPack is one git-upload-pack on the other side.
type uploadPack struct {
	session *ssh.Session
	in      io.WriteCloser
	out     io.Reader
	stderr  *boundedBuffer
}

// AdvertisedReferences implements gittransport.Session.
func (s *shellSession) AdvertisedReferences() (*packp.AdvRefs, error) {
	return s.AdvertisedReferencesContext(context.Background())
}

// AdvertisedReferencesContext implements gittransport.Session.
func (s *shellSession) AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error) {
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	return s.begin()
}

// connect signs in. The connection ends with ctx, whatever is being read from it.
func (s *shellSession) connect(ctx context.Context) error {
	if s.client != nil {
		return nil
	}

	conn, err := s.shell.network.DialContext(ctx, "tcp", s.shell.address)
	if err != nil {
		return err
	}

	s.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(sshTimeout))
	c, channels, requests, err := ssh.NewClientConn(conn, s.shell.address, s.shell.config)
	if err != nil {
		s.stop()
		_ = conn.Close()
		return signInError(err)
	}

	_ = conn.SetDeadline(time.Time{})
	s.client = ssh.NewClient(c, channels, requests)
	return nil
}

// signInError tells a refusal from a fault of the connection.
func signInError(err error) error {
	var host hostKeyError
	if errors.As(err, &host) {
		return sources.Fail(v1beta1.AuthenticationFailedReason, host.error, "signing in over SSH")
	}
	if isKeyRefused(err) {
		return sources.Fail(v1beta1.AuthenticationFailedReason, nil,
			"signing in over SSH: the server does not take the private key of the Secret")
	}

	return err
}

// begin starts a git-upload-pack and reads its references.
func (s *shellSession) begin() (*packp.AdvRefs, error) {
	session, err := s.client.NewSession()
	if err != nil {
		return nil, err
	}

	run := &uploadPack{session: session, stderr: &boundedBuffer{}}
	session.Stderr = run.stderr
	if run.in, err = session.StdinPipe(); err != nil {
		return nil, err
	}
	if run.out, err = session.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := session.Start("git-upload-pack " + quoted(s.shell.path)); err != nil {
		return nil, err
	}

	s.run = run
	refs := packp.NewAdvRefs()
	err = refs.Decode(transport.Limit(run.out, int64(s.shell.limits.References)*referenceBytes))
	switch {
	case errors.Is(err, packp.ErrEmptyInput):
		return nil, run.complaint()
	case errors.Is(err, packp.ErrEmptyAdvRefs), err == nil && refs.IsEmpty():
		return nil, gittransport.ErrEmptyRemoteRepository
	case err != nil:
		return nil, err
	}

	gittransport.FilterUnsupportedCapabilities(refs.Capabilities)
	return refs, nil
}

// complaint is what a git-upload-pack says that ends without an answer.
func (u *uploadPack) complaint() error {
	_ = u.session.Wait() // the answer is on stderr
	text := u.stderr.String()
	switch {
	case isRepositoryMissing(text):
		return sources.Fail(v1beta1.NotFoundReason, nil,
			"the server does not have the repository, or does not show it to the key of the Secret")
	case text == "":
		text = "nothing"
	}

	return fmt.Errorf("the server ends the conversation and says %q", text)
}

// UploadPack implements gittransport.UploadPackSession.
func (s *shellSession) UploadPack(
	ctx context.Context, req *packp.UploadPackRequest,
) (*packp.UploadPackResponse, error) {
	if s.run == nil {
		if err := s.connect(ctx); err != nil {
			return nil, err
		}
		if _, err := s.begin(); err != nil {
			return nil, err
		}
	}

	run := s.run
	s.run = nil
	if err := run.ask(req); err != nil {
		return nil, err
	}

	resp := packp.NewUploadPackResponse(req)
	if err := resp.Decode(&runReader{Reader: transport.Limit(run.out, s.shell.limits.Bytes), run: run}); err != nil {
		return nil, errors.Join(err, run.session.Close())
	}

	return resp, nil
}

// ask says what is wanted, and that nothing is at hand.
func (u *uploadPack) ask(req *packp.UploadPackRequest) error {
	if err := req.UploadRequest.Encode(u.in); err != nil {
		return err
	}
	if err := req.UploadHaves.Encode(u.in, true); err != nil {
		return err
	}
	if err := pktline.NewEncoder(u.in).Encodef("done\n"); err != nil {
		return err
	}

	return u.in.Close()
}

// runReader reads a pack and then lets go of what sent it.
type runReader struct {
	io.Reader
	run *uploadPack
}

// Close implements io.Closer.
func (r *runReader) Close() error {
	_ = r.run.session.Close() // it may have ended by itself
	return nil
}

// Close implements io.Closer.
func (s *shellSession) Close() error {
	if s.client == nil {
		return nil
	}
	s.stop()
	err := s.client.Close()
	s.client = nil
	s.run = nil
	return err
}

// quoted is a path as a shell takes it for one word.
func quoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

// boundedBuffer keeps the beginning of what is written to it.
type boundedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Write(p[:min(len(p), max(stderrBytes-b.text.Len(), 0))])
	return len(p), nil
}

// String is what was kept, on one line.
func (b *boundedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(strings.Fields(b.text.String()), " ")
}
