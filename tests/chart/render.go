// Renders a chart as helm does: Go's templates, sprig's functions and helm's own few, over the
// chart's values and those of further files. helm itself is in no distribution.
//
//	render CHART RELEASE [VALUES.yaml…]
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type values = map[string]interface{}

func read(path string) values {
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	read := values{}
	if err := yaml.Unmarshal(text, &read); err != nil {
		log.Fatalf("%s: %v", path, err)
	}
	return read
}

// What is in `from` wins; maps are joined.
func merge(into, from values) {
	for key, value := range from {
		below, isMap := value.(values)
		known, wasMap := into[key].(values)
		if isMap && wasMap {
			merge(known, below)
		} else {
			into[key] = value
		}
	}
}

// Helm's names for what Chart.yaml says begin with capitals.
func capitals(chart values) values {
	named := values{}
	for key, value := range chart {
		named[strings.ToUpper(key[:1])+key[1:]] = value
	}
	return named
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: render CHART RELEASE [VALUES.yaml…]")
	}
	chart := os.Args[1]
	set := read(filepath.Join(chart, "values.yaml"))
	for _, more := range os.Args[3:] {
		merge(set, read(more))
	}
	root := values{
		"Values":  set,
		"Chart":   capitals(read(filepath.Join(chart, "Chart.yaml"))),
		"Release": values{"Name": os.Args[2], "Namespace": "default", "Service": "Helm"},
	}

	all := template.New("chart").Option("missingkey=zero")
	include := func(name string, data interface{}) (string, error) {
		var text strings.Builder
		err := all.ExecuteTemplate(&text, name, data)
		return text.String(), err
	}
	toYaml := func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	required := func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(message)
		}
		return value, nil
	}
	own := template.FuncMap{"include": include, "toYaml": toYaml, "required": required}
	all.Funcs(sprig.TxtFuncMap()).Funcs(own)
	files, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	if err != nil || len(files) == 0 {
		log.Fatalf("%s has no templates (%v)", chart, err)
	}
	template.Must(all.ParseFiles(files...))
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "_") {
			continue
		}
		text, err := include(name, root)
		if err != nil {
			log.Fatal(err)
		}
		if strings.HasSuffix(name, ".txt") {
			text = "# " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n# ")
		}
		fmt.Printf("---\n# Source: %s\n%s\n", name, text)
	}
}
