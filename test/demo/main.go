// Command demo shows Fairlead at work on a real control plane: releases are installed, changed, restored and removed by
// pushing to a Git repository; a newer version of a chart is published, and the upgrade follows by itself; what is
// edited by hand is repaired, and what fails is rolled back.
//
// It is what `make run` and `make demo` start. Everything listens on the loopback address only, and everything it
// writes is below its directory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"fairlead.dev/fairlead/test/env"
)

func main() {
	os.Exit(run())
}

func run() int {
	stay := flag.Bool("stay", false, "stay up after the demonstration, until interrupted")
	dir := flag.String("dir", "", "directory for everything it writes; .run in the project when left out")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, `usage: demo [--stay] [--dir DIR]         run the demonstration
       demo [--dir DIR] publish VERSION  publish another version of the sample chart while it is up

`)
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	where, err := directory(*dir)
	if err == nil {
		switch {
		case flag.NArg() == 0:
			err = demonstrate(ctx, where, *stay)
		case flag.NArg() == 2 && flag.Arg(0) == "publish":
			err = publish(ctx, where, flag.Arg(1))
		default:
			flag.Usage()
			return 2
		}
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "interrupted")
		return 130
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	return 0
}

func directory(dir string) (string, error) {
	if dir == "" {
		root, err := env.Root()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(root, ".run")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o700)
}
