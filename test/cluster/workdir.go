package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// workdir is the directory of one cluster; the methods name the files in it.
type workdir string

func (d workdir) file(parts ...string) string {
	return filepath.Join(append([]string{string(d)}, parts...)...)
}

func (d workdir) kubeconfig() string           { return d.file("kubeconfig") }
func (d workdir) pids() string                 { return d.file("pids.json") }
func (d workdir) logs() string                 { return d.file("logs") }
func (d workdir) etcd() string                 { return d.file("etcd") }
func (d workdir) pki(name string) string       { return d.file("pki", name) }
func (d workdir) conf(name string) string      { return d.file("conf", name) }
func (d workdir) log(child string) string      { return d.file("logs", child+".log") }
func (d workdir) portFile() string             { return d.file("port") }
func (d workdir) lockFile() string             { return d.file("lock") }
func (d workdir) volume(pv string) string      { return d.file("volumes", pv) }
func (d workdir) kubeconfigOf(u string) string { return d.conf(u + ".kubeconfig") }

// create makes the directory and its folders. Only the owner may enter: there are private keys inside.
func (d workdir) create() error {
	for _, path := range []string{string(d), d.logs(), d.file("pki"), d.file("conf")} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("create cluster directory: %w", err)
		}
	}
	return nil
}

// lock takes the directory for this process and returns how to give it back. The kernel drops the lock when the
// process dies, however it dies, so a stale lock file never keeps another process out.
func (d workdir) lock() (release func(), err error) {
	file, err := os.OpenFile(d.lockFile(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of %s: %w", d, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer file.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", d, err)
		}
		owner, _ := os.ReadFile(d.lockFile())
		return nil, fmt.Errorf("directory %s is in use by another devcluster (pid %s): stop that one, or choose another "+
			"--dir",
			d, strings.TrimSpace(string(owner)))
	}
	if err := file.Truncate(0); err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("write pid into lock of %s: %w", d, err)
	}
	return func() { file.Close() }, nil
}

// rememberedPort is the port of the last start, 0 when there was none.
func (d workdir) rememberedPort() (int, error) {
	text, err := os.ReadFile(d.portFile())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read remembered port: %w", err)
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || port < 1 || port > 65535 {
		return 0, fmt.Errorf("%s does not hold a port: remove it to get a new one", d.portFile())
	}
	return port, nil
}

// rememberPort keeps the port for the next start.
func (d workdir) rememberPort(port int) error {
	if err := os.WriteFile(d.portFile(), []byte(strconv.Itoa(port)+"\n"), 0o600); err != nil {
		return fmt.Errorf("remember port: %w", err)
	}
	return nil
}
