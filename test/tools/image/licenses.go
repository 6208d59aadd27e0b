package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licenseFile is how modules name their licenses and notices.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]es?|copying|notice|patents)([.-].*)?$`)

// notice is a text and the files of modules that have it.
type notice struct {
	text  []byte
	files []string
}

// licensesOf returns the licenses and notices of a program: its own, that of Go, and those of every module that is
// linked into it. The same program gives the same text. A module without a license is an error.
func licensesOf(binary, project string) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	roots := map[string]string{info.Main.Path: project}
	names := []string{info.Main.Path, "Go " + info.GoVersion}
	if roots[names[1]], err = goCommand(project, "env", "GOROOT"); err != nil {
		return nil, err
	}
	for _, module := range info.Deps {
		name := module.Path + " " + module.Version
		names = append(names, name)
		if roots[name], err = goCommand(project, "list", "-m", "-f", "{{.Dir}}", module.Path); err != nil {
			return nil, err
		}
	}
	var notices []*notice
	for i, name := range names {
		found, err := noticesIn(name, roots[name], i > 1)
		if err != nil {
			return nil, err
		}
		notices = append(notices, found...)
	}
	return printed(joined(notices)), nil
}

func goCommand(directory string, arguments ...string) (string, error) {
	command := exec.Command("go", arguments...) //nolint:noctx // the tool ends with it
	command.Dir = directory
	out, err := command.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", fmt.Errorf("go %s: %s", strings.Join(arguments, " "), bytes.TrimSpace(failed.Stderr))
	}
	return strings.TrimSpace(string(out)), err
}

// noticesIn returns those of the directory of a module; with deep also those of code that it includes from others.
func noticesIn(name, directory string, deep bool) ([]*notice, error) {
	var found []*notice
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != directory && (!deep || entry.Name() == "testdata"):
			return fs.SkipDir
		case !entry.Type().IsRegular() || !licenseFile.MatchString(entry.Name()) || strings.HasSuffix(path, ".go"):
			return nil
		}
		text, err := os.ReadFile(path) //nolint:gosec // a file of a module of ours
		if err != nil {
			return err
		}
		within, err := filepath.Rel(directory, path)
		file := name + ", " + filepath.ToSlash(within)
		found = append(found, &notice{text: bytes.TrimSpace(text), files: []string{file}})
		return err
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s has no license", name)
	}
	return found, err
}

// joined puts files of the same text together, in the order of the first.
func joined(notices []*notice) []*notice {
	var all []*notice
	index := map[[sha256.Size]byte]*notice{}
	for _, n := range notices {
		sum := sha256.Sum256(n.text)
		if same, ok := index[sum]; ok {
			same.files = append(same.files, n.files...)
			continue
		}
		index[sum] = n
		all = append(all, n)
	}
	return all
}

func printed(notices []*notice) []byte {
	var out bytes.Buffer
	out.WriteString("Licenses and notices of Fairlead and of what is linked into it.\n" +
		"The source code of each module is published under its path, at the version that is named.\n")
	for _, n := range notices {
		slices.Sort(n.files[1:])
		fmt.Fprintf(&out, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(n.files, "\n"), n.text)
	}
	return out.Bytes()
}
