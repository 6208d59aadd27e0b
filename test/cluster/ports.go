package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// ports are the ports of one run, all on 127.0.0.1. Only the API server's is the same in the next run.
type ports struct {
	apiserver         int
	etcd              int
	controllerManager int
	scheduler         int
}

// The range that free ports come from. It lies below the ports that the kernel gives to outgoing connections, so none
// of those can take a port between our look and the component's bind, nor while the cluster is stopped.
const (
	firstFreePort = 20000
	lastFreePort  = 29999
)

// portGrace is how long the remembered port may stay taken.
const portGrace = 5 * time.Second

// choosePorts settles all ports before anything is started. The API server gets the port that was asked for, else the
// remembered one; when that is taken it is an error, because a kubeconfig that is already in use names it.
func choosePorts(d workdir, asked int) (ports, error) {
	remembered, err := d.rememberedPort()
	if err != nil {
		return ports{}, err
	}
	var p ports
	switch {
	case asked != 0 && !portFree(asked):
		return ports{}, fmt.Errorf("port %d on 127.0.0.1 (--port) is taken: stop what listens there, choose another, "+
			"or leave --port out to get a free one", asked)
	case asked != 0:
		p.apiserver = asked
	case remembered != 0 && !becomesFree(remembered):
		return ports{}, fmt.Errorf("port %d on 127.0.0.1 (used by this cluster before, remembered in %s) is taken: "+
			"stop what listens there, or pass --port with a free one", remembered, d.portFile())
	default:
		p.apiserver = remembered
	}
	for _, port := range []*int{&p.apiserver, &p.etcd, &p.controllerManager, &p.scheduler} {
		if *port != 0 {
			continue
		}
		if *port, err = freePort(p); err != nil {
			return ports{}, err
		}
	}
	return p, d.rememberPort(p.apiserver)
}

// freePort finds a port that nothing listens on and that is not yet given out.
func freePort(given ports) (int, error) {
	for range 1000 {
		port := firstFreePort + rand.IntN(lastFreePort-firstFreePort+1)
		switch port {
		case given.apiserver, given.etcd, given.controllerManager, given.scheduler:
			continue
		}
		if portFree(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("found no free port between %d and %d on 127.0.0.1", firstFreePort, lastFreePort)
}

// portFree reports whether a listener on the port can be opened right now.
func portFree(port int) bool {
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	listener.Close()
	return true
}

// becomesFree gives the port of a cluster that was killed a moment ago the time to be given back by the kernel.
func becomesFree(port int) bool {
	for deadline := time.Now().Add(portGrace); ; time.Sleep(100 * time.Millisecond) {
		if portFree(port) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// loopback is the address of a port on this machine.
func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
