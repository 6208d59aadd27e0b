// Command fairlead is the whole of Fairlead: the controller, and the command line that shows and steers what it does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	// An image may hold nothing but this binary: where the system has no roots of its own, those of the Mozilla bundle are trusted.
	_ "golang.org/x/crypto/x509roots/fallback"
)

func main() {
	refuseDefaultTransport()
	if len(os.Args) > 1 && os.Args[1] == workerVerb {
		os.Exit(runWorker(os.Args[2:]))
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends what is under way in good order; a second one kills the process as it always does.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], environment{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		width: rewritableColumns(os.Stderr), errWidth: columnsOfFile(os.Stderr), outWidth: columnsOfFile(os.Stdout),
		colour: showsColours(os.Stdout),
		now:    time.Now, connect: connect,
	})
	stop()
	os.Exit(code)
}
