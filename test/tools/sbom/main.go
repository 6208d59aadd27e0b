// Command sbom prints the bill of materials of a Go binary, in the format of CycloneDX: the modules that the linker
// recorded in it.
//
//	sbom --version v1.2.3 bin/fairlead > fairlead.cdx.json
//
// The same binary gives the same text: no time and no serial number is in it.
package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// document is a bill of materials.
type document struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

// component is one module, or the binary itself.
type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl"`
	Ref     string `json:"bom-ref"`
}

func main() {
	version := flag.String("version", "unknown", "version of the binary")
	flag.Parse()
	if err := run(*version, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(version string, files []string, out io.Writer) error {
	if len(files) != 1 {
		return errors.New("one binary is needed")
	}
	info, err := buildinfo.ReadFile(files[0])
	if err != nil {
		return fmt.Errorf("%s: %w", files[0], err)
	}
	if len(info.Deps) == 0 {
		return fmt.Errorf("%s: no modules are recorded in it", files[0])
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(describe(version, info))
}

// describe lists the modules of a binary and the standard library.
func describe(version string, info *buildinfo.BuildInfo) document {
	main := component{Type: "application", Name: info.Main.Path, Version: version}
	identify(&main)

	standard := component{Type: "library", Name: "std", Version: info.GoVersion}
	identify(&standard)

	components := []component{standard}
	for _, module := range info.Deps {
		used := effective(module)
		c := component{Type: "library", Name: used.Path, Version: used.Version}
		identify(&c)
		components = append(components, c)
	}
	return document{
		Format: "CycloneDX", Spec: "1.5", Version: 1, Metadata: metadata{Component: main}, Components: components,
	}
}

// effective is the module that was built, which may replace the one that was asked for.
func effective(module *debug.Module) *debug.Module {
	if module.Replace != nil {
		return module.Replace
	}
	return module
}

// identify sets the address of a package, which is its reference, too.
func identify(c *component) {
	c.PURL = "pkg:golang/" + c.Name + "@" + c.Version
	c.Ref = c.PURL
}
