package main

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

func TestPortsAreDistinctAndTheServersIsRemembered(t *testing.T) {
	t.Parallel()
	dir := newWorkdir(t)
	first, err := choosePorts(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range []int{first.apiserver, first.etcd, first.controllerManager, first.scheduler} {
		if port < firstFreePort || port > lastFreePort || seen[port] {
			t.Errorf("port %d is out of range or given twice: %+v", port, first)
		}
		seen[port] = true
	}
	second, err := choosePorts(dir, 0)
	if err != nil || second.apiserver != first.apiserver {
		t.Errorf("port %d (%v) the second time, want %d again", second.apiserver, err, first.apiserver)
	}
}

func TestTakenPortIsRefusedByName(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port

	_, err = choosePorts(newWorkdir(t), taken)
	if err == nil || !strings.Contains(err.Error(), "port "+strconv.Itoa(taken)) {
		t.Errorf("error %v, want one that names port %d", err, taken)
	}
	remembering := newWorkdir(t)
	if err := remembering.rememberPort(taken); err != nil {
		t.Fatal(err)
	}
	_, err = choosePorts(remembering, 0)
	if err == nil || !strings.Contains(err.Error(), remembering.portFile()) {
		t.Errorf("error %v, want one that names %s", err, remembering.portFile())
	}
	if port, err := remembering.rememberedPort(); port != taken || err != nil {
		t.Errorf("the refusal changed the remembered port to %d (%v)", port, err)
	}
}
