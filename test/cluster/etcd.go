package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcdQuota allows clusters with tens of thousands of objects and their history; the default of 2 GiB does not.
const etcdQuota = 8 << 30

// runEtcd is the etcd component: a single member that serves until a signal ends it. It returns the exit code.
func runEtcd(args []string) int {
	if err := serveEtcd(args); err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		return 1
	}
	return 0
}

func serveEtcd(args []string) error {
	flags := pflag.NewFlagSet(etcd, pflag.ContinueOnError)
	dir := flags.String("data-dir", "", "directory of the data")
	port := flags.Int("port", 0, "port for clients on 127.0.0.1")
	fsync := flags.Bool("fsync", false, "sync every write to disk")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	server, err := embed.StartEtcd(etcdConfig(*dir, *port, *fsync))
	if err != nil {
		return fmt.Errorf("start on %s: %w", loopback(*port), err)
	}
	defer server.Close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-server.Err():
		return fmt.Errorf("serve: %w", err)
	}
}

// etcdConfig is a member that no other joins: the peer listener is there because etcd insists, on whatever port is free.
func etcdConfig(dir string, port int, fsync bool) *embed.Config {
	client := url.URL{Scheme: "http", Host: loopback(port)}
	peer := url.URL{Scheme: "http", Host: loopback(0)}
	config := embed.NewConfig()
	config.Dir = dir
	config.LogLevel = "warn"
	config.UnsafeNoFsync = !fsync
	config.QuotaBackendBytes = etcdQuota
	config.ListenClientUrls = []url.URL{client}
	config.AdvertiseClientUrls = []url.URL{client}
	config.ListenPeerUrls = []url.URL{peer}
	config.AdvertisePeerUrls = []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	return config
}

// etcdHealthy reports whether etcd answers that it has a leader, which is itself.
func etcdHealthy(ctx context.Context, port int) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+loopback(port)+"/health", nil)
	if err != nil {
		return false, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK, nil
}
