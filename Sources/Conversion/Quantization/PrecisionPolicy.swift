// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// The `--type` of a conversion.
package enum ModelType: String, CaseIterable, Sendable { case f32, f16, int8, int4 }

/// Which encoding a tensor gets. int4 is for all of the decoder that is read for each token but q|k|v of every fifth layer; how many inputs
/// share a scale there follows from what a matrix's errors cost. In thousandths of a nat, the divergence from f32 with one kind of matrix
/// in int4 of groups of 64, mean of nano Monkey, Vary, Ferret-v2 and HiRes-LLaVA, and what weights of that kind are of a LLaMA decoder of
/// 1.1 B with grouped heads:
///
/// | q\|k\|v | attention's outputs | gate and up | contractions | head | embedding |
/// |---|---|---|---|---|---|
/// | 5.1 | 1.8 | 1.7 | 0.8 | 0.9 | 0.7 |
/// | 11 % | 9 % | 49 % | 25 % | 6 % | not read |
///
/// Half a group leaves 0.8 of the squared error for a quarter of a bit, twice a group 1.1 (contractions 1.3) for an eighth less, 8 bits
/// 0.005. So attention gets small groups and what is saved on gate and up. That is 561 MB a token for that decoder, 4.34 bits a weight; with
/// attention's outputs, the head, the first q|k|v and the first and last contractions in int8 and groups of 64 it was 641 MB, for about the
/// same divergence (tools/bench/QUALITY.md).
package struct PrecisionPolicy: Sendable {
  package let type: ModelType
  /// The type of vision tower and projector.
  package let vision: ModelType
  /// Inputs per scale of contractions and the head in int4; attention takes half as many. int8, and gate and up in int4, take twice as many
  /// where they divide the inputs: that costs them little and saves the kernels a tenth of their time. Wide matrices of encoders take eight
  /// times as many, see `encoderGroup`.
  package let group: Int

  /// - Parameter vision: nil: as the decoder.
  package init(type: ModelType, vision: ModelType? = nil, group: Int) {
    self.type = type
    self.vision = vision ?? type
    self.group = group
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
    guard type == .int4 else { return (.q8x16, large) }
    let small = group % 64 == 0 ? group / 2 : group
    switch role {
    // Layers do not differ much in what an error costs; every fifth is what there is room for.
    case .decoder(let layer, .attentionIn): return layer % 5 == 0 ? (.q8x16, large) : (.q4x16, small)
    case .decoder(_, .attentionOut): return (.q4x16, small)
    case .decoder(_, .mlpIn): return (.q4x16, large)
    case .decoder(_, .mlpOut), .head: return (.q4x16, group)
    // Of an embedding a token reads one row. Where it is the head as well, errors come in at both ends.
    default: return (.q8x16, large)
    }
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
}
