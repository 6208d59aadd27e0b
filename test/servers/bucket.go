package servers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Keys of a bucket server whose options name none.
const (
	AccessKey = "upstream-key"
	SecretKey = "upstream-secret-key"
)

// serverStart bounds how long the bucket server may take to listen.
const serverStart = 30 * time.Second

// Buckets is a server of buckets: versitygw on a directory, behind a proxy that counts and intercepts.
type Buckets struct {
	*server
	client  *minio.Client
	process *exec.Cmd
	socket  string // its directory
	done    chan struct{}
}

// BucketServer starts a server that keeps its buckets below dir. It needs bin/versitygw, which make builds. The
// options' user name and password are the access key and the secret key, AccessKey and SecretKey when they are empty.
func BucketServer(dir string, o Options) (*Buckets, error) {
	binary, err := built("versitygw")
	if err != nil {
		return nil, err
	}
	o.Username, o.Password = cmp.Or(o.Username, AccessKey), cmp.Or(o.Password, SecretKey)
	b := &Buckets{done: make(chan struct{})}
	// The name of a socket has to be short, and dir may not be.
	if b.socket, err = os.MkdirTemp("", "s3-"); err != nil {
		return nil, err
	}
	data, side := filepath.Join(dir, "buckets"), filepath.Join(dir, "metadata")
	if err := errors.Join(os.MkdirAll(data, 0o700), os.MkdirAll(side, 0o700)); err != nil {
		return nil, err
	}
	socket := filepath.Join(b.socket, "socket")
	b.process = exec.Command(binary, "--port", socket, "--quiet", "posix", "--sidecar", side, data)
	b.process.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "ROOT_ACCESS_KEY=" + o.Username, "ROOT_SECRET_KEY=" + o.Password,
	}
	b.process.SysProcAttr = endWithParent()
	var said bytes.Buffer
	b.process.Stdout, b.process.Stderr = &said, &said
	if err := b.process.Start(); err != nil {
		return nil, fmt.Errorf("starting the bucket server: %w", err)
	}
	go func() {
		_ = b.process.Wait()
		close(b.done)
	}()
	if err := b.await(socket); err != nil {
		return nil, errors.Join(err, b.Close(), errors.New(strings.TrimSpace(said.String())))
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	if b.server, err = start(o, false, &httputil.ReverseProxy{
		// The signature is for the host that the client asked for.
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", r.In.Host },
		Transport: &http.Transport{DialContext: dial, DisableCompression: true, DisableKeepAlives: true},
		ErrorLog:  log.New(io.Discard, "", 0),
	}); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	b.client, err = minio.New(b.Host(), &minio.Options{
		Creds: credentials.NewStaticV4(o.Username, o.Password, ""), Region: "us-east-1", Secure: o.TLS != nil,
		Transport: o.transport(),
	})
	return b, err
}

// await returns when the server listens.
func (b *Buckets) await(socket string) error {
	deadline := time.After(serverStart)
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-b.done:
			return errors.New("the bucket server ended by itself")
		case <-deadline:
			return fmt.Errorf("the bucket server does not listen: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Create makes an empty bucket.
func (b *Buckets) Create(ctx context.Context, bucket string) error {
	return b.client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{})
}

// Put stores objects by their keys.
func (b *Buckets) Put(ctx context.Context, bucket string, objects map[string]string) error {
	for key, content := range objects {
		_, err := b.client.PutObject(ctx, bucket, key, strings.NewReader(content), int64(len(content)),
			minio.PutObjectOptions{})
		if err != nil {
			return fmt.Errorf("putting %s: %w", key, err)
		}
	}
	return nil
}

// Delete removes objects.
func (b *Buckets) Delete(ctx context.Context, bucket string, keys ...string) error {
	for _, key := range keys {
		if err := b.client.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{}); err != nil {
			return fmt.Errorf("deleting %s: %w", key, err)
		}
	}
	return nil
}

// Close stops the server; its content stays in the directory.
func (b *Buckets) Close() error {
	var err error
	if b.server != nil {
		err = b.server.Close()
	}
	_ = b.process.Process.Kill()
	<-b.done
	return errors.Join(err, os.RemoveAll(b.socket))
}

// built finds a program that make has built.
func built(name string) (string, error) {
	if path, ok := above(filepath.Join("bin", name)); ok {
		return path, nil
	}
	return "", fmt.Errorf("bin/%s is not built; run make cluster", name)
}
