#include "apps/convert/onnx_write.h"

#include <onnx/onnx_pb.h>

#include <array>
#include <functional>
#include <vector>

#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/plan/program.h"

namespace akimbo::convert {
namespace {

using plan::Node;
using Ints = std::vector<std::int64_t>;

// Steps of a program to nodes of an ONNX graph. Maps are [N,C,H,W] there.
class Exporter {
 public:
  Exporter(const plan::Program& program, onnx::GraphProto& graph)
      : program_(program), graph_(graph) {}

  void run() {
    describe_map(*graph_.add_input(), "input", program_.input.shape());
    names_[0] = "input";
    for (const Node& node : program_.nodes) convert(node);
    for (std::size_t i = 0; i < program_.outputs.size(); ++i) {
      const auto& [name, id] = program_.outputs[i];
      add("Identity", name, {names_.at(id)}, name);
      describe_map(*graph_.add_output(), name, program_.output_tensors[i].second.shape());
    }
  }

 private:
  static void describe_map(onnx::ValueInfoProto& value, const std::string& name,
                           const Shape& nhwc) {
    value.set_name(name);
    auto& type = *value.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    type.mutable_shape()->add_dim()->set_dim_param("batch");
    for (const int axis : {3, 1, 2}) type.mutable_shape()->add_dim()->set_dim_value(nhwc[axis]);
  }

  onnx::NodeProto& add(const std::string& op, const std::string& layer,
                       const std::vector<std::string>& inputs, const std::string& output) {
    onnx::NodeProto& node = *graph_.add_node();
    node.set_op_type(op);
    node.set_name(layer + "/" + op);
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(output);
    return node;
  }

  static void attribute(onnx::NodeProto& node, const std::string& name, const Ints& values) {
    onnx::AttributeProto& a = *node.add_attribute();
    a.set_name(name);
    a.set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t v : values) a.add_ints(v);
  }
  static void attribute(onnx::NodeProto& node, const std::string& name, std::int64_t value) {
    onnx::AttributeProto& a = *node.add_attribute();
    a.set_name(name);
    a.set_type(onnx::AttributeProto::INT);
    a.set_i(value);
  }
  static void attribute(onnx::NodeProto& node, const std::string& name, const std::string& text) {
    onnx::AttributeProto& a = *node.add_attribute();
    a.set_name(name);
    a.set_type(onnx::AttributeProto::STRING);
    a.set_s(text);
  }

  std::string constant(const std::string& name, const Ints& dims,
                       const std::vector<float>& values) {
    onnx::TensorProto& tensor = *graph_.add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t d : dims) tensor.add_dims(d);
    tensor.set_raw_data(values.data(), values.size() * sizeof(float));
    return name;
  }

  void convert(const Node& node) {
    const std::string& op = node.step.op;
    static const std::map<std::string, std::string> kPlain = {
        {"add", "Add"}, {"sub", "Sub"},         {"mul", "Mul"},   {"div", "Div"}, {"relu", "Relu"},
        {"exp", "Exp"}, {"sigmoid", "Sigmoid"}, {"tanh", "Tanh"}, {"abs", "Abs"}};
    if (op == "conv2d" || op == "conv_transpose2d") return convert_conv(node);
    if (op == "max_pool2d") return convert_max_pool(node);
    if (op == "resize") return convert_resize(node);
    if (op == "concat") return convert_concat(node);
    const auto plain = kPlain.find(op);
    if (plain == kPlain.end()) {
      throw_error<Error>("[onnx] {} ({}) has no form in ONNX yet", node.layer, op);
    }
    add(plain->second, node.layer, inputs_of(node), name_output(node));
  }

  std::vector<std::string> inputs_of(const Node& node) const {
    std::vector<std::string> names;
    for (const plan::ValueId id : node.inputs) names.push_back(names_.at(id));
    return names;
  }
  const std::string& name_output(const Node& node) {
    return names_[node.output] = "v" + std::to_string(node.output);
  }

  // The weight with the batch norm's scale, [O,I/g,kh,kw], or [I,O/g,kh,kw] if transposed; ours is
  // [O,kh,kw,I/g] in both cases.
  std::string convert_weight(const Node& node, bool transposed) {
    const Tensor w = node.step.constant("weight").to(DType::f32);
    const Tensor scale = node.step.constant("scale");
    const std::int64_t outputs = w.dim(0), taps = w.dim(1) * w.dim(2), inputs = w.dim(3);
    const std::int64_t groups = node.step.option("groups"), of_group = outputs / groups;
    std::vector<float> values(static_cast<std::size_t>(w.numel()));
    for (std::int64_t o = 0; o < outputs; ++o) {
      const double factor = scale.defined() ? double{scale.values<float>()[o]} : 1.0;
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        for (std::int64_t i = 0; i < inputs; ++i) {
          const std::int64_t row = transposed ? o / of_group * inputs + i : o;
          const std::int64_t column = transposed ? o % of_group : i;
          const std::int64_t columns = transposed ? of_group : inputs;
          values[(row * columns + column) * taps + tap] =
              static_cast<float>(factor * w.values<float>()[(o * taps + tap) * inputs + i]);
        }
      }
    }
    const Ints dims = transposed ? Ints{inputs * groups, of_group, w.dim(1), w.dim(2)}
                                 : Ints{outputs, inputs, w.dim(1), w.dim(2)};
    return constant(node.layer + ".weight", dims, values);
  }

  void convert_conv(const Node& node) {
    const trace::Step& step = node.step;
    const bool transposed = step.op == "conv_transpose2d";
    std::vector<std::string> inputs = {names_.at(node.inputs[0]), convert_weight(node, transposed)};
    if (const Tensor shift = step.constant("shift"); shift.defined()) {
      const auto values = shift.values<float>();
      inputs.push_back(
          constant(node.layer + ".bias", {shift.numel()}, {values.begin(), values.end()}));
    }
    const bool has_residual = node.inputs[1] != plan::kAbsent, relu = step.option("relu") != 0;
    const std::string& result = name_output(node);
    const std::string sum = has_residual || relu ? result + ".conv" : result;
    onnx::NodeProto& conv = add(transposed ? "ConvTranspose" : "Conv", node.layer, inputs, sum);
    const std::int64_t padding = step.option("padding"), stride = step.option("stride");
    const std::int64_t dilation = step.option("dilation");
    attribute(conv, "strides", Ints{stride, stride});
    attribute(conv, "pads", Ints{padding, padding, padding, padding});
    attribute(conv, "dilations", Ints{dilation, dilation});
    attribute(conv, "group", step.option("groups"));
    if (transposed) attribute(conv, "output_padding", output_padding(step));
    std::string last = sum;
    if (has_residual) {
      const std::string added = relu ? result + ".sum" : result;
      add("Add", node.layer, {last, names_.at(node.inputs[1])}, added);
      last = added;
    }
    if (relu) add("Relu", node.layer, {last}, result);
  }

  static Ints output_padding(const trace::Step& step) {
    Ints extra;
    const Tensor w = step.constant("weight");
    for (const int axis : {1, 2}) {
      const std::int64_t least = (step.inputs[0].dim(axis) - 1) * step.option("stride") -
                                 2 * step.option("padding") +
                                 step.option("dilation") * (w.dim(axis) - 1) + 1;
      extra.push_back(step.output.dim(axis) - least);
    }
    return extra;
  }

  void convert_max_pool(const Node& node) {
    const trace::Step& step = node.step;
    const std::int64_t h = step.option("pad_h"), w = step.option("pad_w");
    onnx::NodeProto& pool = add("MaxPool", node.layer, inputs_of(node), name_output(node));
    attribute(pool, "kernel_shape", Ints{step.option("kernel_h"), step.option("kernel_w")});
    attribute(pool, "strides", Ints{step.option("stride_h"), step.option("stride_w")});
    // With ceil_mode the last windows hang over the edge: say so by padding more there.
    const auto behind = [&](int axis, std::int64_t pad, const char* kernel, const char* stride) {
      const std::int64_t reach =
          (step.output.dim(axis) - 1) * step.option(stride) + step.option(kernel);
      return std::max(std::int64_t{0}, reach - step.inputs[0].dim(axis) - pad);
    };
    attribute(
        pool, "pads",
        Ints{h, w, behind(1, h, "kernel_h", "stride_h"), behind(2, w, "kernel_w", "stride_w")});
  }

  void convert_resize(const Node& node) {
    const trace::Step& step = node.step;
    const auto scale = [&](int axis) {
      return static_cast<float>(step.output.dim(axis)) /
             static_cast<float>(step.inputs[0].dim(axis));
    };
    const std::string scales = constant(node.layer + ".scales", {4}, {1, 1, scale(1), scale(2)});
    onnx::NodeProto& resize =
        add("Resize", node.layer, {names_.at(node.inputs[0]), "", scales}, name_output(node));
    // The order of kernels::ResizeMode.
    constexpr std::array<const char*, 3> kPositions = {"asymmetric", "half_pixel", "align_corners"};
    const auto mode = static_cast<std::size_t>(step.option("mode"));
    attribute(resize, "mode", std::string(mode == 0 ? "nearest" : "linear"));
    attribute(resize, "coordinate_transformation_mode", std::string(kPositions.at(mode)));
    if (mode == 0) attribute(resize, "nearest_mode", std::string("floor"));
  }

  void convert_concat(const Node& node) {
    constexpr std::array<std::int64_t, 4> kAxes = {0, 2, 3, 1};  // of N, H, W, C
    onnx::NodeProto& concat = add("Concat", node.layer, inputs_of(node), name_output(node));
    attribute(concat, "axis", kAxes.at(static_cast<std::size_t>(node.step.option("axis"))));
  }

  const plan::Program& program_;
  onnx::GraphProto& graph_;
  std::map<plan::ValueId, std::string> names_;
};

}  // namespace

void write_onnx(const std::filesystem::path& path, models::Network& network,
                const OnnxOptions& options) {
  const plan::Program program = plan::trace_network(
      [&](const Tensor& x) { return network.outputs(x); }, {1, options.height, options.width, 3},
      DType::f32, kCpu, network.named_parameters());
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.set_producer_name("akimbo");
  model.set_producer_version(AKIMBO_VERSION);
  model.add_opset_import()->set_version(17);
  for (const auto& [key, value] : options.metadata) {
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  model.mutable_graph()->set_name("network");
  Exporter(program, *model.mutable_graph()).run();
  std::string bytes;
  if (!model.SerializeToString(&bytes)) {
    throw_error<Error>("[onnx] {}: the network is larger than the 2 GiB that the format takes",
                       path.string());
  }
  io::write_file_atomic(path, bytes);
}

}  // namespace akimbo::convert
