// Package servers runs the servers that charts come from, in the process of a test, a demonstration or a benchmark: an
// OCI registry, a Git server, a server of buckets and a chart repository, each on a free port of 127.0.0.1.
//
//	registry, err := upstream.Registry(dir, upstream.Options{})
//	digest, err := registry.PushChart(ctx, "charts", archive)   // oci://<Host>/charts/<chart name>
//
// They are the real thing where there is one (distribution's registry, git's own http-backend, versitygw), count their
// requests, and write nothing to the standard output.
package servers
