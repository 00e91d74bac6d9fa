// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// The `--type` of a conversion.
package enum ModelType: String, CaseIterable, Sendable { case f32, f16, int8, int4 }

/// Which encoding a tensor gets. int4 is for the bulk of the decoder; what is small or sensitive stays higher.
package struct PrecisionPolicy: Sendable {
  package let type: ModelType
  /// The type of vision tower and projector.
  package let vision: ModelType
  /// Inputs per scale of int4 matrices. int8 takes twice as many where they divide the inputs: that costs it little and saves the kernels
  /// a tenth of their time. Wide matrices of encoders take eight times as many, see `encoderGroup`.
  package let group: Int
  let layers: Int

  /// - Parameter vision: nil: as the decoder.
  package init(type: ModelType, vision: ModelType? = nil, group: Int, layers: Int) {
    self.type = type
    self.vision = vision ?? type
    self.group = group
    self.layers = layers
  }

  /// - Parameter inputs: of the matrix.
  package func encoding(_ role: TensorRole, inputs: Int) -> (encoding: TensorEncoding, group: Int) {
    if role == .table { return (.f32, 0) }
    if role == .positions { return (.f32x16, 0) }
    let type = role.isVision ? vision : type
    switch type {
    case .f32: return (.f32x16, 0)
    case .f16: return (.f16x16, 0)
    case .int8, .int4: break
    }
    // The patch kernel is a thousandth of the tower's work, and raw pixels do not suit int8 activations.
    if role == .patch { return (.f16x16, 0) }
    if role == .vision || role == .projector, let group = encoderGroup(inputs) { return (.q8x16, group) }
    let large = inputs % (2 * group) == 0 ? 2 * group : group
    guard type == .int4, case .decoder(let layer, let part) = role else { return (.q8x16, large) }
    return staysHigher(layer, part) ? (.q8x16, large) : (.q4x16, group)
  }

  /// Inputs per scale of an encoder's matrix with 768 inputs and more: the largest part of a row that is a whole number of vectors and no
  /// longer than eight times `group`. An encoder is bound by arithmetic, and a scale costs a multiplication for each group and output.
  /// Activations share the groups, so that one large value costs no more than its group precision: on nano Monkey's tower (row parts of 128
  /// and 512 inputs) groups of 128 leave an error of 3.2 % in the tokens, of 256 3.4 %, whole rows 3.5 %.
  func encoderGroup(_ inputs: Int) -> Int? {
    guard inputs >= 768 else { return nil }
    let largest = min(8 * group, PackedLayout.largestGroup)
    return stride(from: largest, to: 2 * group, by: -32).first { inputs % $0 == 0 }
  }

  /// What a matrix of the decoder may be written as where a target size decides, the smallest first.
  func choices(inputs: Int) -> [(encoding: TensorEncoding, group: Int)] {
    let wide = inputs % (2 * group) == 0 ? 2 * group : group
    return [(.q4x16, group)] + (group > 32 ? [(.q4x16, 32)] : []) + [(.q8x16, wide)]
  }

  /// How much a squared relative error of this matrix counts beside others' where a target size decides. Measured on nano Monkey's decoder
  /// as divergence from f32 with one kind of matrix in int4. Errors of weights say little of outputs: those of q|k|v change most, those of
  /// MLPs least. Of errors of outputs, as far as a calibration knows them, those count more that are added to what all later layers read.
  static func sensitivity(_ role: TensorRole, ofOutputs: Bool) -> Double {
    switch role {
    case .decoder(_, .attentionIn): 1
    case .decoder(_, .attentionOut): ofOutputs ? 3 : 0.4
    case .decoder(_, .mlpIn): ofOutputs ? 0.6 : 0.15
    case .decoder(_, .mlpOut): ofOutputs ? 2 : 0.1
    // Never calibrated, since nothing is multiplied by it: in int4 it undoes half of what feedback gains elsewhere.
    case .embedding: 2
    default: ofOutputs ? 1 : 0.3
    }
  }

  /// What an int4 model keeps in int8. Measured on the built-in model as divergence of the answers' distributions from f32's: everything
  /// in int4 0.0023; without the attentions' outputs 0.0014, without the first layer's q|k|v too 0.0009. For a 7B model that is 4 % of
  /// the bytes. Contractions of the first and last layers see the largest activations of large models.
  private func staysHigher(_ layer: Int, _ part: TensorRole.DecoderPart) -> Bool {
    switch part {
    case .attentionOut: true
    case .attentionIn: layer == 0
    case .mlpOut: layer == 0 || layer == layers - 1
    case .mlpIn: false
    }
  }
}
